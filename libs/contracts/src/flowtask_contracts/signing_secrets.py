"""Secrets that people choose for their webhooks, and which of these are too easy to guess.

The form is that of the Standard Webhooks specification: `whsec_` and the base64 of 24 to 64 bytes.
"""

import base64
import binascii
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret, decoded."""

_FEWEST = 8
"""Different bytes, and different steps from one byte to the next: 24 random bytes have more than twice as many of both."""

_DIGIT = "[A-Za-z0-9+/]"
_GROUP = f"(?:{_DIGIT}{{4}})"
PATTERN = f"^{PREFIX}(?:{_GROUP}{{8,20}}(?:{_DIGIT}{{4}}|{_DIGIT}{{3}}=)?|{_GROUP}{{8,21}}{_DIGIT}{{2}}==)$"


def decoded(secret: str) -> bytes:
    """The bytes of a secret; ValueError, which does not repeat it, if it has another form."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(f"must be {PREFIX} and the base64 of {SHORTEST} to {LONGEST} bytes")
    return key


def is_weak(key: bytes) -> bool:
    """Whether nobody drew these bytes at random: few different ones, a block that is repeated, or a row of numbers."""
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    repeated = any(key[period:] == key[:-period] for period in range(1, len(key) // 2 + 1))
    return repeated or len(set(key)) < _FEWEST or len(steps) < _FEWEST


def _strong(secret: SecretStr) -> SecretStr:
    if is_weak(decoded(secret.get_secret_value())):
        raise ValueError("is too easy to guess; take random bytes, for example `openssl rand -base64 32`")
    return secret


OwnSecret = Annotated[
    SecretStr,
    AfterValidator(_strong),
    PlainSerializer(SecretStr.get_secret_value, return_type=str, when_used="json"),
    Field(json_schema_extra={"pattern": PATTERN}),
]
"""A secret that somebody has chosen: strong enough, and in no text that a program makes of it, except its message."""
