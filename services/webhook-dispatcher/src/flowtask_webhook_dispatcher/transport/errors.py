"""What can go wrong between us and a receiver.

ValueError
    InvalidUrl          the URL can never be a receiver; told when it is parsed
    InvalidProxy        the egress proxy's URL cannot be used; told when it is parsed
Exception
    TransportError      no answer; `kind` says where it ended, and whose fault that is
"""

from enum import StrEnum
from typing import Self

from .timings import Timings


class Failure(StrEnum):
    """Where an attempt without an answer ended: a code that stays as it is, and a sentence that explains it."""

    INVALID_URL = "invalid_url", "Webhooks cannot be sent to this URL."
    FORBIDDEN_PORT = "forbidden_port", "Webhooks may not go to this port."
    FORBIDDEN_ADDRESS = "forbidden_address", "The host has an address that webhooks may not go to."
    DNS = "dns", "The host name could not be resolved."
    DNS_TIMEOUT = "dns_timeout", "The host name could not be resolved in time."
    CONNECT_REFUSED = "connect_refused", "The connection was refused: nothing listens at the receiver's port."
    CONNECT_UNREACHABLE = "connect_unreachable", "The receiver cannot be reached: no route leads to its address."
    CONNECT_TIMEOUT = "connect_timeout", "The receiver did not take the connection in time."
    CONNECT_FAILED = "connect_failed", "The connection broke while it was being set up."
    TLS = "tls", "The TLS handshake failed."
    TLS_TIMEOUT = "tls_timeout", "The TLS handshake did not end in time."
    TLS_EXPIRED = "tls_expired", "The certificate has expired."
    TLS_NOT_YET_VALID = "tls_not_yet_valid", "The certificate is not valid yet."
    TLS_SELF_SIGNED = "tls_self_signed", "The certificate is self-signed."
    TLS_WRONG_HOST = "tls_wrong_host", "The certificate is for another host."
    TLS_UNKNOWN_AUTHORITY = (
        "tls_unknown_authority",
        "The certificate's authority is unknown; an intermediate certificate may be missing.",
    )
    TLS_CERTIFICATE = "tls_certificate", "The certificate is not valid."
    TIMEOUT = "timeout", "No answer came in time."
    CLOSED = "closed", "The receiver closed the connection without an answer."
    INVALID_ANSWER = "invalid_answer", "The answer is not valid HTTP/1.1, or too long."
    PROXY = "proxy", "The egress proxy of this installation failed."
    LOCAL = "local", "This installation could not make the attempt."

    explanation: str

    def __new__(cls, code: str, explanation: str) -> Self:
        """A member whose value is its code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.explanation = explanation
        return member

    @property
    def ours(self) -> bool:
        """It says nothing about the receiver, so it may not count against it."""
        return self in _OURS

    @property
    def final(self) -> bool:
        """Another attempt would end likewise until the URL, its name's addresses or our settings are changed."""
        return self in _FINAL


_OURS = frozenset({Failure.PROXY, Failure.LOCAL})
_FINAL = frozenset({Failure.INVALID_URL, Failure.FORBIDDEN_PORT, Failure.FORBIDDEN_ADDRESS})


class InvalidUrl(ValueError):
    """The text is not a URL that webhooks can be sent to; the message tells its author why."""


class InvalidProxy(ValueError):
    """The text is not the URL of a proxy; the message repeats nothing of it, for it may hold a password."""


class TransportError(Exception):
    """An attempt ended without an answer.

    `message` is one sentence that may be shown to the endpoint's owner: it names no address that a lookup gave and
    nothing of the proxy. `timings` are known once the client has raised it.
    """

    def __init__(self, kind: Failure, message: str | None = None) -> None:
        self.kind = kind
        self.message = message or kind.explanation
        self.timings: Timings | None = None
        super().__init__(f"{kind}: {self.message}")
