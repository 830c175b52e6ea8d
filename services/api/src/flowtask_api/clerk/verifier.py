"""From a bearer token to the session that it proves."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable
from time import time

import jwt
import orjson
from jwt.exceptions import PyJWTError

from .claims import Header, Rules, Session
from .errors import InvalidToken
from .keys import Keys

MOST_CHARACTERS = 8192
"""Longer than any token that a browser would keep in a cookie."""

MOST_KEPT = 10_000
KEPT_SECONDS = 60.0
"""How long a verified token is believed without a look at its signature: no longer than a default one lives."""

_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_JWS = jwt.PyJWS()


class Verifier:
    """Verifies each token once a minute and remembers it by its digest: a signature costs 0.1 ms, and a page asks often."""

    def __init__(self, keys: Keys, rules: Rules, *, clock: Callable[[], float] = time) -> None:
        self._keys = keys
        self._rules = rules
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[float, Session]] = OrderedDict()

    async def session(self, token: str) -> Session:
        """What the token proves; InvalidToken, TokenExpired, or SignInUnavailable when its key cannot be had."""
        if len(token) > MOST_CHARACTERS or not _FORM.fullmatch(token):
            raise InvalidToken
        digest = hashlib.sha256(token.encode()).digest()
        now = self._clock()
        until, session = self._kept.get(digest, (0.0, None))
        if session is not None and now < until:
            session.check_time(now)
            return session
        session = await self._verify(token)
        self._keep(digest, session)
        return session

    async def _verify(self, token: str) -> Session:
        try:
            header = Header.of(jwt.get_unverified_header(token))
            key = await self._keys.key(header.kid)
            verified = _JWS.decode_complete(token, key, algorithms=["RS256"])
            claims = orjson.loads(verified["payload"])
        except (PyJWTError, ValueError, RecursionError):
            raise InvalidToken from None
        return self._rules.session(claims, self._clock())

    def _keep(self, digest: bytes, session: Session) -> None:
        self._kept[digest] = (self._clock() + KEPT_SECONDS, session)
        self._kept.move_to_end(digest)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
