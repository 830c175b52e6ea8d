"""Clerk's public keys: fetched once for all who wait, kept, and used on while Clerk is away."""

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import httpx2
import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import PyJWTError

from flowtask_kit import logs

from . import metrics
from .errors import InvalidToken, SignInUnavailable

log = logs.get(__name__)

MOST_BYTES = 256 * 1024
MOST_KEYS = 100
LEAST_BITS, MOST_BITS = 2048, 8192
FETCH_SECONDS = 5.0
"""How long Clerk may take to answer."""

STALE_SECONDS = 24 * 3600.0
"""How long keys are used when no newer ones can be had."""

AGAIN_SECONDS = 10.0
"""Between two fetches, when one has failed or did not bring what was looked for: made-up key ids cost Clerk no more."""


class Unusable(Exception):
    """What came is no key set with a key that we can use."""


class Keys:
    """The keys of one issuer, by id. Times are those of `clock`, in seconds."""

    def __init__(self, url: str, *, fresh_seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._url = url
        self._fresh = fresh_seconds
        self._clock = clock
        self._client = httpx2.AsyncClient(
            follow_redirects=False, timeout=FETCH_SECONDS, headers={"Accept-Encoding": "identity"}
        )
        self._keys: Mapping[str, RSAPublicKey] = {}
        self._fetched_at = float("-inf")
        self._not_before = float("-inf")
        self._failing = False
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, key_id: str) -> RSAPublicKey:
        """The key of that id.

        A known one is given at once, and renewed beside when it is old. For an unknown one Clerk is asked. InvalidToken when
        Clerk has none of that id, SignInUnavailable when it cannot be asked.
        """
        age = self._clock() - self._fetched_at
        known = self._keys.get(key_id) if age < STALE_SECONDS else None
        if known is not None:
            if age > self._fresh:
                self._fetch()
            return known
        if (fetching := self._fetch()) is not None:
            await asyncio.shield(fetching)
        found = self._keys.get(key_id) if self._clock() - self._fetched_at < STALE_SECONDS else None
        if found is not None:
            return found
        if self._failing:
            raise SignInUnavailable(retry_after=max(1, round(self._not_before - self._clock())))
        self._not_before = max(self._not_before, self._fetched_at + AGAIN_SECONDS)
        raise InvalidToken

    async def close(self) -> None:
        """Let go of what is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])
        await self._client.aclose()

    def _fetch(self) -> "asyncio.Task[None] | None":
        """The fetch that is under way, a new one, or None while it is too early for one."""
        if self._fetching is None and self._clock() >= self._not_before:
            self._fetching = asyncio.create_task(self._renew(), name="clerk-keys")
        return self._fetching

    async def _renew(self) -> None:
        """Take Clerk's keys in the place of those there are; whatever goes wrong, those stay."""
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = read(await self._document())
        except (httpx2.HTTPError, OSError, Unusable) as error:  # a TimeoutError is an OSError
            self._not_before = self._clock() + AGAIN_SECONDS
            self._tell(failing=True, error=repr(error))
        else:
            self._fetched_at = self._clock()
            self._tell(failing=False)
        finally:
            self._fetching = None

    async def _document(self) -> bytes:
        async with self._client.stream("GET", self._url) as answer:
            if answer.status_code != httpx2.codes.OK:
                raise Unusable(f"status {answer.status_code}")
            body = bytearray()
            async for part in answer.aiter_raw():
                body += part
                if len(body) > MOST_BYTES:
                    raise Unusable("too large")
        return bytes(body)

    def _tell(self, *, failing: bool, error: str | None = None) -> None:
        metrics.KEY_FETCHES.labels("failed" if failing else "fetched").inc()
        if failing:
            log.warning("Clerk's keys cannot be had", error=error, known=len(self._keys))
        elif self._failing:
            log.info("Clerk's keys can be had again", known=len(self._keys))
        self._failing = failing


def read(document: bytes) -> dict[str, RSAPublicKey]:
    """The RSA keys of a JSON Web Key Set (RFC 7517) that can verify RS256; Unusable when it holds none."""
    try:
        listed = orjson.loads(document)["keys"]
        found = {key_id: key for one in listed[:MOST_KEYS] for key_id, key in _key(one)}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Unusable("no key set") from None
    if not found:
        raise Unusable("no usable key")
    return found


def _key(one: Any) -> "list[tuple[str, RSAPublicKey]]":
    """The id and the key, or nothing for a key of another kind, for another purpose, or too short or long."""
    if not isinstance(one, dict) or not isinstance(one.get("kid"), str):
        return []
    if one.get("kty") != "RSA" or one.get("use", "sig") != "sig" or one.get("alg", "RS256") != "RS256" or "d" in one:
        return []
    try:
        key = RSAAlgorithm.from_jwk(one)
    except (PyJWTError, ValueError, TypeError, AttributeError):
        return []
    if not isinstance(key, RSAPublicKey) or not LEAST_BITS <= key.key_size <= MOST_BITS:
        return []
    return [(one["kid"], key)]
