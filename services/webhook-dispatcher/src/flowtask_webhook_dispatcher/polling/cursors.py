"""Cursors of polls: an endpoint, and the place of the last delivery that was handed out there."""

import base64
import binascii
from uuid import UUID

from flowtask_contracts.errors import ErrorDetail, ValidationFailed

_BYTES = 24


def cursor_at(endpoint_id: UUID, place: int) -> str:
    """What is sent back once everything up to a place is taken care of."""
    return base64.urlsafe_b64encode(endpoint_id.bytes + place.to_bytes(8)).decode()


def place_in(cursor: str | None, endpoint_id: UUID, last: int) -> int | None:
    """The place that a cursor names, which is not behind the last one; ValidationFailed for any other, and for another endpoint's.

    One that is further than any place was given out before the database was restored: what it would acknowledge now may be
    something else.
    """
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor)
    except (binascii.Error, ValueError):
        raw = b""
    place = int.from_bytes(raw[16:])
    if len(raw) != _BYTES or raw[:16] != endpoint_id.bytes or place > last:
        message = "is not a cursor of this webhook; without one it begins with what is not acknowledged"
        raise ValidationFailed(details=[ErrorDetail(field="cursor", message=message)])
    return place
