"""The two signatures of a webhook, checked as a receiver checks them, with nothing but the standard library.

Source of the first: the Standard Webhooks specification. Both are compared in constant time.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

_PREFIX = "whsec_"
_OWN = ("x-flowtask-signature", "x-flowtask-signature-next")
"""The second is there while a secret is being changed: it is of the new one, the first of the old one."""


def both_hold(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether this secret has signed these bytes in both ways, alone or beside another one; header names in lower case."""
    return standard_holds(secret, headers, body) and flowtask_holds(secret, headers, body)


def standard_holds(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of the signatures in `webhook-signature` is of these bytes; header names in lower case."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        return False
    signed = f"{headers.get('webhook-id', '')}.{headers.get('webhook-timestamp', '')}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(one.encode(), expected.encode()) for one in given)


def flowtask_holds(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether FlowTask's own signature, or the next one, is of these bytes, under the whole secret string."""
    expected = "sha256=" + hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    return any(hmac.compare_digest(headers.get(name, "").encode(), expected.encode()) for name in _OWN)
