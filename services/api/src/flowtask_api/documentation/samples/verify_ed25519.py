"""Verify the Ed25519 signature of a FlowTask webhook (pip install cryptography)."""

import base64
import time
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def verify_ed25519(keys: Iterable[str], headers: Mapping[str, str], body: bytes) -> None:
    """Raise ValueError unless FlowTask sent this body in the last five minutes. `keys` are the `whpk_` of your webhook."""
    message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > 300:
        raise ValueError("too old, or from the future")
    signed = f"{message_id}.{timestamp}.".encode() + body
    public = [Ed25519PublicKey.from_public_bytes(base64.b64decode(key.removeprefix("whpk_"))) for key in keys]
    for entry in headers["webhook-signature"].split():
        version, _, signature = entry.partition(",")
        for key in public if version == "v1a" else ():
            try:
                key.verify(base64.b64decode(signature), signed)
            except (InvalidSignature, ValueError):
                continue
            return
    raise ValueError("no signature matches")
