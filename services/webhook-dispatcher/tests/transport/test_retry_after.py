from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtask_webhook_dispatcher.transport import retry_after

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)  # a Sunday
NO_WAIT, HOUR = timedelta(), timedelta(hours=1)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", NO_WAIT), ("1", timedelta(seconds=1)), ("120", timedelta(minutes=2)), ("0120", timedelta(minutes=2)), (" 7\t", timedelta(seconds=7)),
        ("3599", timedelta(seconds=3599)), ("3600", HOUR), ("3601", HOUR), ("86400", HOUR), ("2147483648", HOUR), ("9999999999", HOUR),
        ("-1", NO_WAIT), ("-0", NO_WAIT), ("-9999999999", NO_WAIT),
        # the three forms of a date
        ("Sun, 22 Nov 2026 12:00:30 GMT", timedelta(seconds=30)), ("Sunday, 22-Nov-26 12:00:30 GMT", timedelta(seconds=30)),
        ("Sun Nov 22 12:00:30 2026", timedelta(seconds=30)), ("Tue Dec  1 12:00:00 2026", HOUR), ("Sun Nov 22 12:10:00 2026", timedelta(minutes=10)),
        ("Sun, 22 Nov 2026 12:59:59 GMT", timedelta(minutes=59, seconds=59)), ("Sun, 22 Nov 2026 13:00:01 GMT", HOUR),
        ("Fri, 31 Dec 9999 23:59:59 GMT", HOUR), ("Sun, 22 Nov 2026 12:00:60 GMT", timedelta(seconds=59)),
        # past
        ("Sun, 22 Nov 2026 12:00:00 GMT", NO_WAIT), ("Sun, 22 Nov 2026 11:59:59 GMT", NO_WAIT), ("Sun, 06 Nov 1994 08:49:37 GMT", NO_WAIT),
        ("Sunday, 06-Nov-94 08:49:37 GMT", NO_WAIT), ("Sun Nov  6 08:49:37 1994", NO_WAIT), ("Mon, 01 Jan 0001 00:00:00 GMT", NO_WAIT),
        ("Sunday, 22-Nov-76 12:00:30 GMT", HOUR), ("Sunday, 22-Nov-77 12:00:30 GMT", NO_WAIT),  # 50 years ahead at most
        # a wrong day of the week is forgiven, it adds nothing
        ("Mon, 22 Nov 2026 12:00:30 GMT", timedelta(seconds=30)),
    ],
)  # fmt: skip
def test_what_a_receiver_asks_for_is_waited_for_up_to_an_hour(value, wait):
    assert retry_after(value, NOW) == wait


@pytest.mark.parametrize(
    "value",
    [
        None, "", " ", "soon", "1.5", "1e3", "+5", "--5", "5s", "5 5", "1,2", "0x10", "\u0661\u0662", "\uff15", "1\n2", "99999999999", "9" * 5000, "-",
        "inf", "nan", "Sun, 22 Nov 2026 12:00:30", "Sun, 22 Nov 2026 12:00:30 UTC", "Sun, 22 Nov 2026 12:00:30 +0000", "Sun, 22 Nov 26 12:00:30 GMT",
        "Sun, 32 Nov 2026 12:00:30 GMT", "Sun, 00 Nov 2026 12:00:30 GMT", "Sun, 31 Nov 2026 12:00:30 GMT", "Sun, 29 Feb 2027 12:00:30 GMT",
        "Sun, 22 Foo 2026 12:00:30 GMT", "Sun, 22 Nov 2026 24:00:00 GMT", "Sun, 22 Nov 2026 12:60:00 GMT", "Sun, 22 Nov 2026 12:00:61 GMT",
        "Sun, 22 Nov 0000 12:00:30 GMT", "Sun, 22 Nov 20260 12:00:30 GMT", "sun, 22 nov 2026 12:00:30 gmt", "22 Nov 2026 12:00:30 GMT",
        "Sunday, 22-Nov-2026 12:00:30 GMT", "Sun, 22-Nov-26 12:00:30 GMT", "Sun Nov 22 12:00:30 2026 GMT", "Sun Nov 1 12:00:30 2026",
        "2026-11-22T12:00:30Z", "1795354913000", "Sun, 22 Nov 2026 12:00:30 GMT, 5", "Sun, 22 Nov 2026 12:00:30 GMT\x00",
    ],
)  # fmt: skip
def test_what_cannot_be_read_asks_for_nothing(value):
    assert retry_after(value, NOW) is None


def test_the_time_zone_of_now_does_not_matter():
    there = NOW.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    assert retry_after("Sun, 22 Nov 2026 12:00:30 GMT", there) == timedelta(seconds=30)


FORMS = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")
PIECES = st.sampled_from(
    [
        "Sun",
        "Sunday",
        ", ",
        " ",
        "  ",
        "22",
        "06",
        "6",
        "Nov",
        "-",
        "26",
        "2026",
        "12:00:30",
        ":",
        "GMT",
        "0",
        "9",
        "99",
        "\n",
        "\u0663",
    ]
)


@given(st.text() | st.lists(PIECES, max_size=14).map("".join) | st.integers().map(str))
def test_any_text_is_a_wait_of_up_to_an_hour_or_nothing(text):
    wait = retry_after(text, NOW)
    assert wait is None or NO_WAIT <= wait <= HOUR


@given(st.integers(-(10**9), 10**9))
def test_seconds_are_taken_at_their_word_within_bounds(seconds):
    assert retry_after(str(seconds), NOW) == timedelta(seconds=min(max(seconds, 0), 3600))


@given(st.integers(-5000, 5000), st.sampled_from(FORMS))
def test_every_form_of_a_date_says_the_same(seconds, form):
    text = (NOW + timedelta(seconds=seconds)).strftime(form)
    assert retry_after(text, NOW) == timedelta(seconds=min(max(seconds, 0), 3600))
