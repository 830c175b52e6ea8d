"""How long the parts of an attempt took."""

from typing import NamedTuple


class Timings(NamedTuple):
    """Seconds; None for what did not take place (on a kept connection all but the last two) or did not end."""

    dns: float | None  # the lookup of the receiver's name
    connect: float | None  # TCP, and through a proxy also its tunnel
    tls: float | None
    first_byte: float | None  # from the request to the first byte of what came back
    total: float  # from the call to the end of the answer, or to the failure


class Phases:
    """The parts of setting up one connection, filled in as they end."""

    __slots__ = ("connect", "dns", "tls")

    def __init__(self) -> None:
        self.dns: float | None = None
        self.connect: float | None = None
        self.tls: float | None = None
