"""The signatures of a webhook: the Standard Webhooks trio and FlowTask's own header, over the same body bytes.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

USER_AGENT = b"FlowTask-Webhooks/1.0"


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
    standard = hmac.digest(key.decoded, b"%b.%b.%b" % (message_id, stamp, body), hashlib.sha256)
    own = hmac.digest(key.whole, body, hashlib.sha256)
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
