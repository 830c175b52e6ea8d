"""Identifiers and the clock."""

from datetime import UTC, datetime
from uuid import UUID

import uuid6


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): sorts by the millisecond it was made in."""
    return UUID(int=uuid6.uuid7().int)


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def uuid_of(digest: bytes) -> UUID:
    """A UUIDv8 (RFC 9562) made of the first 16 bytes of a digest: the same digest, the same id."""
    value = int.from_bytes(digest[:16])
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
