"""What an endpoint is sent beside the choice of events: the form of its payload, and headers of its owner's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from pydantic import SecretStr

from flowtask_contracts.errors import Conflict, ErrorDetail, ValidationFailed, below
from flowtask_contracts.webhook_content import MASK, PayloadForm, check_headers

from ..keyring import KeyRing

SETTLING = timedelta(seconds=10)
"""From its change to the first event that a form holds for: no replica has sent that one in the form before."""

MOST_CHANGES = 50
_HEADERS = "headers"


class TooManyChanges(Conflict):
    """The form of the payload was changed so often that the forms of earlier events can no longer be told."""

    message = f"The payload of a webhook can be changed {MOST_CHANGES} times; create another one"


@dataclass(frozen=True, slots=True)
class Forms:
    """The form that each event has at an endpoint, which never changes: `now`, or one of those `before`.

    Each of them holds for events from below a time, in milliseconds, the earliest first. An event's time is that in its id.
    """

    now: PayloadForm
    before: tuple[tuple[int, PayloadForm], ...] = ()

    @classmethod
    def of(cls, now: str, before: Sequence[Sequence[Any]]) -> "Forms":
        """As an endpoint's row has them."""
        if not before and now == PayloadForm.FULL:
            return FULL
        return cls(PayloadForm(now), tuple((until, PayloadForm(form)) for until, form in before))

    def thin(self, event_id: UUID) -> bool:
        """Whether only ids are sent of an event."""
        form = self.now
        if self.before:
            at = event_id.int >> 80
            form = next((each for until, each in self.before if at < until), form)
        return form is PayloadForm.THIN

    def changed(self, form: PayloadForm, now: datetime) -> "Forms":
        """Another form for events that happen from a little later on; TooManyChanges when there were too many."""
        if form is self.now:
            return self
        if len(self.before) >= MOST_CHANGES:
            raise TooManyChanges
        until = round((now + SETTLING).timestamp() * 1000)
        if self.before:
            until = max(until, self.before[-1][0])  # another replica's clock may be ahead of ours
        return Forms(form, (*self.before, (until, self.now)))


FULL = Forms(PayloadForm.FULL)


@dataclass(frozen=True, slots=True)
class OwnHeaders:
    """Headers of the owner's as they are sent, and as the log has them."""

    sent: tuple[tuple[bytes, bytes], ...] = field(repr=False)

    @property
    def shown(self) -> tuple[tuple[bytes, bytes], ...]:
        """The same without the values."""
        return tuple((name, MASK.encode()) for name, _ in self.sent)


def opened(keyring: KeyRing, endpoint_id: UUID, stored: bytes | None) -> OwnHeaders | None:
    """The headers of an endpoint's row, None where it has none; CannotDecrypt when no key of the ring opens them."""
    if stored is None:
        return None
    pairs = orjson.loads(keyring.decrypt(endpoint_id, stored, _HEADERS))
    return OwnHeaders(tuple((name.encode(), value.encode()) for name, value in pairs))


def sealed(
    keyring: KeyRing, endpoint_id: UUID, headers: Mapping[str, SecretStr], stored: bytes | None
) -> tuple[bytes | None, list[str]]:
    """What to keep of headers, and their names; a value that is the mask stands for the one in `stored`.

    ValidationFailed for what may not be sent, kept values included, and for a mask without a value behind it.
    """
    check_headers(headers)
    values = {name: value.get_secret_value() for name, value in headers.items()}
    if MASK in values.values():
        kept = opened(keyring, endpoint_id, stored)
        known = {} if kept is None else {name.decode().lower(): value.decode() for name, value in kept.sent}
        values = {name: known.get(name.lower(), MASK) if value == MASK else value for name, value in values.items()}
        unknown = [name for name, value in values.items() if value == MASK]
        if unknown:
            message = "has no value yet that could be kept"
            raise ValidationFailed(
                details=[ErrorDetail(field=below("headers", each), message=message) for each in unknown]
            )
        whole = {name: SecretStr(value) for name, value in values.items()}
        check_headers(whole)
    if not values:
        return None, []
    return keyring.encrypt(endpoint_id, orjson.dumps(list(values.items())).decode(), _HEADERS), list(values)
