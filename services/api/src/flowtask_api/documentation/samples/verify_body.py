"""Verify X-FlowTask-Signature, which covers the body alone; it says nothing of when the body was sent."""

import hmac


def verify_body(secret: str, signature: str, body: bytes) -> None:
    """Raise ValueError unless FlowTask signed this body. The whole secret is the key, `whsec_` included."""
    expected = "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()
    if not hmac.compare_digest(signature.encode(), expected.encode()):
        raise ValueError("the signature does not match")
