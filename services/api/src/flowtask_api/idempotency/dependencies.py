"""What a write route declares to take effect once: `dependencies=[once()]`."""

import hashlib
import re
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from starlette.responses import Response

from flowtask_contracts.errors import ErrorDetail, ValidationFailed
from flowtask_kit.bus.errors import KeyReused, UnderWay
from flowtask_kit.database.prepared import Where

from ..auth.dependencies import Authenticated
from ..auth.models import Caller
from ..http.dependencies import Tx
from ..http.refusals import may_raise
from . import service
from .service import Claim

_KEY = re.compile(r"[\x20-\x7e]{1,255}")


class Repeated(Exception):
    """The request was answered before, and is answered with the same now."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


@may_raise(ValidationFailed, KeyReused, UnderWay)
async def idempotency_key(
    value: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Repeat a request with the same key within 24 hours and it takes effect once; the repeat gets the "
            "first answer. 1 to 255 printable ASCII characters.",
            json_schema_extra={"pattern": "^[!-~]([ -~]{0,253}[!-~])?$"},  # HTTP takes blanks at both ends away
        ),
    ] = None,
) -> str | None:
    """The caller's Idempotency-Key, if one was sent."""
    if value is not None and not _KEY.fullmatch(value):
        raise ValidationFailed(
            details=[ErrorDetail(field="Idempotency-Key", message="must be 1 to 255 printable ASCII characters")]
        )
    return value


IdempotencyKey = Annotated[str | None, Depends(idempotency_key)]


def once(*, conceal: str | None = None, about: str | None = None) -> Any:
    """Have a route whose work is all in the request's transaction take effect once per key.

    `conceal` names a field of the answer's data that is shown only the first time, `about` one that says of whom it tells:
    a person's id, the address of who may be nobody yet, or a workspace's id where the caller may be somewhere else. That
    field is never null.
    """

    async def claim(request: Request, tx: Tx, caller: Authenticated, key: IdempotencyKey) -> None:
        await _claim(request, tx, caller, key, conceal, about)

    return Depends(claim)


def once_directly() -> Any:
    """The same for a route whose transaction is a `DirectTx`."""

    async def claim(request: Request, key: IdempotencyKey) -> None:
        await _claim(request, request.state.tx, request.state.caller, key, None, None)

    return Depends(claim)


async def claim_of(request: Request, caller: Authenticated, key: IdempotencyKey) -> Claim | None:
    """What a request whose work another service does takes its key for, if one was sent."""
    return None if key is None else Claim(caller.workspace_id, key, await _hash(request, str(caller.user_id)))


Claimed = Annotated[Claim | None, Depends(claim_of)]


async def _claim(
    request: Request, tx: Where, caller: Caller, key: str | None, conceal: str | None, about: str | None
) -> None:
    if key is None:
        return
    made = Claim(caller.workspace_id, key, await _hash(request, str(caller.user_id)), conceal, about)
    answer = await service.begin(tx, made)
    if answer is not None:
        raise Repeated(answer)
    request.state.claim = (tx, made)


async def keep_answer(request: Request, response: Response) -> None:
    """Keep the answer of a request that has claimed a key; the transaction of its write is still open."""
    claimed: tuple[Where, Claim] | None = getattr(request.state, "claim", None)
    if claimed is not None:
        await service.keep(*claimed, response)


async def _hash(request: Request, caller: str) -> bytes:
    """What tells a repeat from another request: who sends what where."""
    digest = hashlib.sha256()
    for part in (caller, request.method, request.url.path, request.url.query, request.headers.get("if-match", "")):
        digest.update(part.encode() + b"\n")
    digest.update(await request.body())
    return digest.digest()
