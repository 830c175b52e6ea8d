"""What can go wrong between us and a receiver.

ValueError
    InvalidUrl          the URL can never be a receiver; told when it is parsed
Exception
    TransportError      no answer; `kind` says where it ended
"""

from enum import StrEnum


class Failure(StrEnum):
    """Where an attempt without an answer ended; all but `LOCAL` are the receiver's."""

    INVALID_URL = "invalid_url"  # http where only https may go
    DNS = "dns"  # the name has no address
    BLOCKED = "blocked"  # an address of it is not allowed
    CONNECT = "connect"  # no address took the connection
    TLS = "tls"  # no trusted, encrypted channel
    TIMEOUT = "timeout"  # the attempt's deadline came before the head of an answer
    PROTOCOL = "protocol"  # what came is not HTTP/1.1, or too much of it
    CLOSED = "closed"  # the receiver hung up before the head of an answer
    LOCAL = "local"  # we could not try, or stopped: says nothing about the receiver


class InvalidUrl(ValueError):
    """The text is not a URL that webhooks can be sent to; the message tells its author why."""


class TransportError(Exception):
    """An attempt ended without an answer; `message` may be shown to the endpoint's owner and names no address it hid."""

    def __init__(self, kind: Failure, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
