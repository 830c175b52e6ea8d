"""Identifiers and the clock."""

import secrets
import time
from datetime import UTC, datetime
from uuid import UUID


class _Stamp:
    """The 60 bits that the latest id begins with: milliseconds, then 4096ths of a millisecond."""

    latest = 0


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562, section 6.2, method 3): tells the millisecond it was made in, and sorts after the one before.

    Even at a million a second ids do not run ahead of the clock.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    _Stamp.latest = stamp = max(milliseconds << 12 | nanoseconds * 4096 // 1_000_000, _Stamp.latest + 1)
    return UUID(int=(stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0x2 << 62 | secrets.randbits(62))


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def uuid_of(digest: bytes) -> UUID:
    """A UUIDv8 (RFC 9562) made of the first 16 bytes of a digest: the same digest, the same id."""
    value = int.from_bytes(digest[:16])
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
