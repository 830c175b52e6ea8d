"""The Retry-After header (RFC 9110, section 10.2.3): how long a receiver asks to be left alone."""

import re
from datetime import UTC, datetime, timedelta

LONGEST = timedelta(hours=1)
"""More is not granted: a receiver that mistakes a unit would else be left alone for ever."""

_SECONDS = re.compile(r"-?[0-9]{1,10}")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = r"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})"
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DATES = (  # RFC 9110, section 5.6.7: IMF-fixdate, RFC 850, asctime
    re.compile(rf"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    re.compile(rf"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    re.compile(rf"{_DAY} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)
_LEAP_SECOND = 60


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """The wait that a receiver asks for, from nothing to `LONGEST`; None if it asks for none that can be read.

    Takes seconds and all three forms of an HTTP date; what is negative or past is no wait. `now` knows its time zone.
    """
    if value is None:
        return None
    text = value.strip(" \t")
    if _SECONDS.fullmatch(text):
        wait = timedelta(seconds=int(text))
    else:
        date = _date(text, now)
        if date is None:
            return None
        wait = date - now
    return min(max(wait, timedelta()), LONGEST)


def _date(text: str, now: datetime) -> datetime | None:
    parts = next((found for form in _DATES if (found := form.fullmatch(text))), None)
    if parts is None:
        return None
    year, second = int(parts["year"]), int(parts["second"])
    if len(parts["year"]) == 2:  # noqa: PLR2004  two digits: no more than 50 years ahead of now
        year += now.year // 100 * 100
        if year > now.year + 50:
            year -= 100
    try:
        return datetime(
            year,
            _MONTHS.index(parts["month"]) + 1,
            int(parts["day"]),
            int(parts["hour"]),
            int(parts["minute"]),
            59 if second == _LEAP_SECOND else second,
            tzinfo=UTC,
        )
    except ValueError:
        return None
