"""The id of a delivery, which is always the same for one event and one endpoint."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

from asyncpg.pgproto import pgproto

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION = 0x7 << 76
_VARIANT = 0x2 << 62


def delivery_id(event_id: UUID, endpoint_id: UUID) -> UUID:
    """The event id's 48-bit time, then bits of SHA-256(event id || endpoint id), shaped as a UUIDv7.

    Deterministic, so that a repeat after a crash has the same id; and it names the partition its rows are in.
    """
    digest = int.from_bytes(hashlib.sha256(event_id.bytes + endpoint_id.bytes).digest()[:10])
    rest = _VERSION | digest >> 68 << 64 | _VARIANT | digest & (1 << 62) - 1
    return pgproto.UUID(event_id.bytes[:6] + rest.to_bytes(10))


def driver_uuid(text: str) -> UUID:
    """A UUID of the database driver's own kind, which is made, hashed and written many times faster; ValueError if it is none."""
    try:
        return pgproto.UUID(text)
    except ValueError:
        return pgproto.UUID(UUID(text).bytes)  # a form that the driver does not know


def events_of_the_millisecond(identity: UUID) -> tuple[UUID, UUID]:
    """The first and last possible event id of the millisecond in a delivery id."""
    moment = identity.int >> 80
    return UUID(int=moment << 80), UUID(int=(moment + 1 << 80) - 1)


def first_id_of(moment: datetime) -> UUID:
    """The smallest UUIDv7 of a moment: ids of earlier events sort below it. Before 1970 there were none."""
    return UUID(int=max(0, (moment - _EPOCH) // timedelta(milliseconds=1)) << 80)
