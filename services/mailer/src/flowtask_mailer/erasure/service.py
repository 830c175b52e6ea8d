"""Hearing that somebody is erased, and erasing them step by step."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Update
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_kit.bus.forgetting import forget_commands, forget_messages
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.database.steps import next_work, take_step
from flowtask_kit.ids import utc_now

from ..database import CommandRecord, FailedMessage
from ..recipients import service as recipients
from . import queries
from .models import Erasure, Kind

CHUNK = 500
TRIED_AGAIN_AFTER = timedelta(seconds=60)
"""When to look again at mails that are being tried: some seven hours at most, far less than the day that is promised."""


async def begin(tx: AsyncSession, identity: UUID, kind: Kind) -> None:
    """Forget who they are, for good, and have their mails removed."""
    if kind is Kind.USER:
        await recipients.forget_person(tx, identity)
    else:
        await recipients.forget_workspace(tx, identity)
    await tx.execute(queries.begin(identity, kind, utc_now()))


async def next_step(tx: AsyncSession, *, chunk: int = CHUNK) -> bool:
    """Go on with one erasure; False when none is due."""
    erasure = await tx.scalar(next_work(Erasure, utc_now()))
    if erasure is None:
        return False
    await take_step(tx, erasure, some=partial(_some, tx, erasure, chunk), finish=partial(_finish, tx, erasure))
    crashpoint("mailer.erasing")
    return True


async def _some(tx: AsyncSession, erasure: Erasure, chunk: int) -> bool:
    """Do some of the work; False when there was none left."""
    if await _changed(tx, queries.remove_mails(erasure, chunk)):
        return True
    if erasure.kind is Kind.WORKSPACE:
        return False
    actor = f"user:{erasure.id}"
    if await _changed(tx, queries.write_anew(actor, chunk)) or await _changed(tx, queries.blank_sent(actor, chunk)):
        return True
    if await tx.scalar(queries.still_named(actor)):
        erasure.wait(TRIED_AGAIN_AFTER)
        return True
    return False


async def _changed(tx: AsyncSession, statement: Delete | Update) -> bool:
    done: Any = await tx.execute(statement, execution_options={"synchronize_session": False})
    return bool(done.rowcount)


async def _finish(tx: AsyncSession, erasure: Erasure) -> None:
    await _changed(tx, queries.remove_places(erasure))
    await tx.execute(forget_messages(FailedMessage, str(erasure.id), only=_NEWS_OF[erasure.kind]))
    await tx.execute(forget_commands(CommandRecord, erasure.id))
    await tx.delete(erasure)


_NEWS_OF = {Kind.USER: "internal.", Kind.WORKSPACE: ""}
"""Subjects of messages that go when they mention who is erased: a task of others may mention a person by id."""
