"""A stand-in for Clerk, an API that takes its tokens, and people who call with them."""

import orjson
import pytest
from pydantic import SecretStr

from flowtask_api.clerk.claims import Rules
from flowtask_api.clerk.errors import InvalidToken
from flowtask_api.clerk.keys import Keys, read
from flowtask_api.clerk.verifier import Verifier
from flowtask_api.settings import ApiSettings
from flowtask_local.clock import Clock
from flowtask_local.providers.clerk import JWKS_PATH, ORIGIN, FakeClerk, SigningKey


@pytest.fixture(scope="session")
def signing_keys():
    """Made once: each takes some tenths of a second."""
    return [SigningKey.new() for _ in range(4)]


@pytest.fixture
def clerk(signing_keys):
    with FakeClerk(signing_keys) as fake:
        yield fake


@pytest.fixture
def settings(databases, nats_url, clerk):
    return ApiSettings(
        database_url=SecretStr(databases.api),
        nats_url=SecretStr(nats_url),
        key_use_flush_seconds=60.0,
        database_pool_size=5,
        rate_limits={"FREE": (1_000_000, 1_000_000)},
        failed_authentications=1_000_000,
        log_level="error",
        clerk_issuer=clerk.issuer,
        clerk_authorized_parties=ORIGIN,
    )


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def keys(clerk, clock):
    """Clerk's keys, as an API has them before the first request."""
    made = Keys(clerk.issuer + JWKS_PATH, fresh_seconds=3600, clock=clock)
    yield made
    await made.close()


class KeysAtHand:
    """What Clerk publishes, without the way there."""

    def __init__(self, clerk):
        self._clerk = clerk

    async def key(self, key_id):
        try:
            return read(orjson.dumps({"keys": self._clerk.published}))[key_id]
        except KeyError:
            raise InvalidToken from None


@pytest.fixture
def verifier(clerk):
    return Verifier(KeysAtHand(clerk), Rules(clerk.issuer, frozenset({ORIGIN})))
