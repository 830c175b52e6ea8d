"""Making a write happen once: a key is claimed before it, and its answer is kept with it.

The lock is tried before the answer is looked for, in two statements: in one, the look could be older than the lock.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from flowtask_kit.database.prepared import Where
from flowtask_kit.ids import utc_now

from . import queries
from .errors import KeyReused, UnderWay

COUNTS_FOR = timedelta(hours=24)
_KEPT_HEADERS = ("content-type", "location", "etag", "cache-control")
_CHUNK = 1000


@dataclass(frozen=True)
class Claim:
    """A key of a workspace and the request that it stands for.

    `concealed` is a field of the answer shown only once, `about` one that says of whom it tells.
    """

    workspace_id: UUID
    key: str
    request_hash: bytes
    concealed: str | None = None
    about: str | None = None

    @property
    def lock(self) -> int:
        """The number of the advisory lock under which one request at a time has this key."""
        digest = hashlib.sha256(self.workspace_id.bytes + self.key.encode()).digest()
        return int.from_bytes(digest[:8], signed=True)


async def begin(tx: Where, claim: Claim) -> Response | None:
    """Take the key for this transaction; the answer that it was given before, if there is one.

    UnderWay while another request has the key, KeyReused when it stands for another request.
    """
    mine = await queries.LOCK.first(tx, {"lock": claim.lock})
    if mine is None or not mine["mine"]:
        raise UnderWay(retry_after=1)
    since = utc_now() - COUNTS_FOR
    kept = await queries.FIND.first(tx, {"workspace_id": claim.workspace_id, "key": claim.key, "since": since})
    if kept is None:
        return None
    if kept["request_hash"] != claim.request_hash:
        raise KeyReused
    headers = {**orjson.loads(kept["headers"]), "idempotency-replayed": "true"}
    return Response(kept["body"], status_code=kept["status"], headers=headers)


async def keep(tx: Where, claim: Claim, response: Response) -> None:
    """Keep an answer, without what it conceals, in the transaction of the write."""
    headers = {name: value for name in _KEPT_HEADERS if (value := response.headers.get(name)) is not None}
    await queries.KEEP.execute(
        tx,
        {
            "workspace_id": claim.workspace_id,
            "key": claim.key,
            "request_hash": claim.request_hash,
            "status": response.status_code,
            "headers": orjson.dumps(headers).decode(),
            "body": bytes(response.body) if claim.concealed is None else _without(claim.concealed, response.body),
            "created_at": utc_now(),
            "about": None if claim.about is None else digest_of(orjson.loads(response.body)["data"][claim.about]),
        },
    )


def digest_of(who: str) -> bytes:
    """What stands for an address or an id beside the answers that tell of them."""
    return hashlib.sha256(who.lower().encode()).digest()


async def forget(tx: AsyncSession) -> bool:
    """Remove answers that no longer count, a thousand at a time; False when there are no more."""
    done: Any = await tx.execute(queries.forget(utc_now() - COUNTS_FOR, _CHUNK))
    return int(done.rowcount) == _CHUNK


def _without(concealed: str, body: bytes | memoryview) -> bytes:
    """The body with null in place of what may be shown only once."""
    answer = orjson.loads(body)
    answer["data"] |= {concealed: None, "secretShown": True}
    return orjson.dumps(answer)
