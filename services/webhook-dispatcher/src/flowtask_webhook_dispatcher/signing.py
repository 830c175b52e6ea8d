"""The signatures of a webhook: the Standard Webhooks trio and FlowTask's own header, over the same body bytes.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

USER_AGENT = b"FlowTask-Webhooks/1.0"
_BLOCK = 64
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret in the two forms it signs with: the decoded bytes, and the whole string."""

    decoded: bytes
    whole: bytes

    @classmethod
    def of(cls, secret: str) -> "SigningKey":
        """The key of a `whsec_<base64>` secret."""
        return cls(base64.b64decode(secret.removeprefix("whsec_")), secret.encode())


def signed_headers(
    key: SigningKey, *, event: str, event_id: UUID, delivery_id: UUID, timestamp: int, body: bytes
) -> list[tuple[bytes, bytes]]:
    """All headers of a webhook request but the framing ones; `timestamp` is the attempt's, in Unix seconds."""
    message_id = str(event_id).encode()
    stamp = b"%d" % timestamp
    standard = _mac(key.decoded, b"%b.%b.%b" % (message_id, stamp, body))
    own = _mac(key.whole, body)
    return [
        (b"Content-Type", b"application/json"),
        (b"User-Agent", USER_AGENT),
        (b"X-FlowTask-Event", event.encode()),
        (b"X-FlowTask-Delivery", str(delivery_id).encode()),
        (b"X-FlowTask-Signature", b"sha256=" + own.hex().encode()),
        (b"webhook-id", message_id),
        (b"webhook-timestamp", stamp),
        (b"webhook-signature", b"v1," + base64.b64encode(standard)),
    ]


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
