"""Making a write happen once: a key is claimed before it, and its answer is kept with it.

Where another service does the work, the key is taken for the request before that is asked, in a transaction that has
committed by then; the command that it stands for since is what that service does once. So no key stands for two requests,
whoever carries them out.

The lock is tried before the answer is looked for, in two statements: in one, the look could be older than the lock.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from flowtask_kit.bus.commands import command_id
from flowtask_kit.bus.errors import KeyReused, UnderWay
from flowtask_kit.database.prepared import Where
from flowtask_kit.ids import utc_now

from . import queries

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


@dataclass(frozen=True)
class Taken:
    """A key that stands for a request of which another service has the answer, since a moment.

    Only the `first` that took it may give it back.
    """

    claim: Claim
    at: datetime
    first: bool

    @property
    def command_id(self) -> UUID:
        """The id of the command that it stands for: the same for every repeat, another when the key is taken anew."""
        return command_id(self.claim.workspace_id, self.claim.key, self.at)


async def begin(tx: Where, claim: Claim) -> Response | None:
    """Take the key for this transaction; the answer that it was given before, if there is one.

    UnderWay while another request has the key, KeyReused when it stands for another request.
    """
    kept = await _look(tx, claim)
    if kept is None or kept["status"] is None:
        return None
    headers = {**orjson.loads(kept["headers"]), "idempotency-replayed": "true"}
    return Response(kept["body"], status_code=kept["status"], headers=headers)


async def take(tx: AsyncSession, claim: Claim) -> Taken:
    """Have the key stand for a request that another service is asked for after this transaction.

    UnderWay while another request has the key, KeyReused when it stands for another request. A repeat is told to that service
    as well: whoever took the key may not have come to it.
    """
    kept = await _look(tx, claim)
    if kept is not None:
        which = {"of": claim.workspace_id, "named": claim.key, "taken_at": kept["created_at"]}
        if await queries.REPEAT.first(tx, which) is not None:
            return Taken(claim, kept["created_at"], first=False)
    taken = Taken(claim, utc_now(), first=True)
    await queries.KEEP.execute(tx, _row(claim, taken.at))
    return taken


async def give_back(tx: AsyncSession, taken: Taken) -> bool:
    """Free the key of a request that was refused; False where a repeat may have fared otherwise, which keeps the key."""
    if not taken.first:
        return False
    done = await tx.scalar(queries.give_back(taken.claim.workspace_id, taken.claim.key, taken.at))
    return done is not None


async def keep(tx: Where, claim: Claim, response: Response) -> None:
    """Keep an answer, without what it conceals, in the transaction of the write."""
    headers = {name: value for name in _KEPT_HEADERS if (value := response.headers.get(name)) is not None}
    await queries.KEEP.execute(
        tx,
        {
            **_row(claim, utc_now()),
            "status": response.status_code,
            "headers": orjson.dumps(headers).decode(),
            "body": bytes(response.body) if claim.concealed is None else _without(claim.concealed, response.body),
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


async def _look(tx: Where, claim: Claim) -> asyncpg.Record | None:
    """Take the lock of a key, and see what it stands for; KeyReused when that is another request."""
    mine = await queries.LOCK.first(tx, {"lock": claim.lock})
    if mine is None or not mine["mine"]:
        raise UnderWay(retry_after=1)
    since = utc_now() - COUNTS_FOR
    kept = await queries.FIND.first(tx, {"workspace_id": claim.workspace_id, "key": claim.key, "since": since})
    if kept is not None and kept["request_hash"] != claim.request_hash:
        raise KeyReused
    return kept


def _row(claim: Claim, at: datetime) -> dict[str, Any]:
    """A key that stands for a request, with no answer yet."""
    return {
        "workspace_id": claim.workspace_id,
        "key": claim.key,
        "request_hash": claim.request_hash,
        "status": None,
        "headers": None,
        "body": None,
        "created_at": at,
        "about": None,
    }


def _without(concealed: str, body: bytes | memoryview) -> bytes:
    """The body with null in place of what may be shown only once."""
    answer = orjson.loads(body)
    answer["data"] |= {concealed: None, "secretShown": True}
    return orjson.dumps(answer)
