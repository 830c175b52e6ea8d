"""The signatures of a webhook: the Standard Webhooks trio and FlowTask's own header, over the same body bytes.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import math
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from flowtask_contracts.signing_secrets import PREFIX

USER_AGENT = b"FlowTask-Webhooks/1.0"
_BLOCK = 64
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret in the two forms it signs with: the decoded bytes, and the whole string.

    While it is being changed there is a `successor`, which signs beside it, and from `alone_at` on, in Unix seconds, instead.
    """

    decoded: bytes = field(repr=False)
    whole: bytes = field(repr=False)
    successor: "SigningKey | None" = None
    alone_at: float = math.inf

    @classmethod
    def of(cls, secret: str) -> "SigningKey":
        """The key of a `whsec_<base64>` secret."""
        return cls(base64.b64decode(secret.removeprefix(PREFIX)), secret.encode())

    def until(self, alone_at: datetime, successor: "SigningKey") -> "SigningKey":
        """This key, with another one beside it that takes its place at that moment."""
        return replace(self, successor=successor, alone_at=alone_at.timestamp())


def signed_headers(
    key: SigningKey, *, event: str, event_id: UUID, delivery_id: UUID, timestamp: int, body: bytes
) -> list[tuple[bytes, bytes]]:
    """All headers of a webhook request but the framing ones; `timestamp` is the attempt's, in Unix seconds.

    Under a key with a successor `webhook-signature` is of both, and X-FlowTask-Signature-Next of the successor.
    """
    successor = key.successor
    if successor is not None and timestamp >= key.alone_at:
        key, successor = successor, None
    message_id = str(event_id).encode()
    stamp = b"%d" % timestamp
    signed = b"%b.%b.%b" % (message_id, stamp, body)
    headers = [
        (b"Content-Type", b"application/json"),
        (b"User-Agent", USER_AGENT),
        (b"X-FlowTask-Event", event.encode()),
        (b"X-FlowTask-Delivery", str(delivery_id).encode()),
        (b"X-FlowTask-Signature", _own(key, body)),
        (b"webhook-id", message_id),
        (b"webhook-timestamp", stamp),
        (b"webhook-signature", _standard(key, signed)),
    ]
    if successor is not None:
        headers[-1] = (b"webhook-signature", b"%b %b" % (headers[-1][1], _standard(successor, signed)))
        headers.append((b"X-FlowTask-Signature-Next", _own(successor, body)))
    return headers


def _standard(key: SigningKey, signed: bytes) -> bytes:
    return b"v1," + base64.b64encode(_mac(key.decoded, signed))


def _own(key: SigningKey, body: bytes) -> bytes:
    return b"sha256=" + _mac(key.whole, body).hex().encode()


def _mac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA-256 as `hmac.digest` has it, at half the cost: what depends on the key alone is kept."""
    inner, outer = _states(key)
    inner = inner.copy()
    inner.update(message)
    outer = outer.copy()
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(maxsize=4096)
def _states(key: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """SHA-256 after the inner and the outer pad of a key (RFC 2104)."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))
