"""Telling what has changed since a token."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.resources import PlainTask, Project
from flowtask_kit.database.prepared import Where
from flowtask_kit.ids import utc_now

from ..auth.models import Caller
from . import queries
from .schemas import Changes, Deleted, Kind, SyncQuery
from .tokens import TOLD_FOR, History, Token

KEPT_FOR = TOLD_FOR + timedelta(days=1)
_CHUNK = 1000

Row: TypeAlias = asyncpg.Record


async def changes(where: Where, caller: Caller, asked: SyncQuery) -> Changes:
    """The next changes after the token, and the token after them.

    The horizon is read before the changes: whatever is below it was settled when they were read.
    """
    state = await queries.HORIZON.first(where, {})
    assert state is not None
    horizon, now = state["horizon"], utc_now()
    token, begins = _token(caller.workspace_id, asked.token, state, now)
    found = await queries.CHANGES.all(
        where,
        {
            "workspace_id": caller.workspace_id,
            "at": token.at,
            "after": token.after,
            "buried_from": token.buried_from,
            "limit": asked.per_page + 1,
        },
    )
    page = found[: asked.per_page]
    if len(found) > len(page):
        following = token.read_up_to(page[-1]["at"], page[-1]["id"], horizon, now)
    else:
        at = page[-1]["at"] if page else 0
        following = token.read_up_to(at, token.after, horizon, now).next_round(horizon, now)
    tasks, projects, deleted = await _read(where, caller.workspace_id, page)
    return Changes(
        full_sync=begins,
        tasks=tasks,
        projects=projects,
        deleted=deleted,
        next_token=following.sealed(state["token_key"]),
        has_more=len(found) > len(page),
    )


def _token(workspace_id: UUID, text: str | None, state: Row, now: datetime) -> tuple[Token, bool]:
    """Where to go on, and whether that is the beginning: without a token, or with one that counts no more."""
    history = History(state["system"] % (1 << 64), state["timeline"], state["relation"])
    token = None if text is None else Token.opened(text, workspace_id, state["token_key"])
    if token is not None and token.counts(history, state["newest"], now):
        return token, False
    return Token(workspace_id, history, now, buried_from=state["horizon"]), True


async def _read(
    where: Where, workspace_id: UUID, page: Sequence[Row]
) -> tuple[tuple[PlainTask, ...], tuple[Project, ...], tuple[Deleted, ...]]:
    """The resources of a page as they are now; what was deleted since they were found comes as a deletion later."""
    ids: dict[str, list[UUID]] = {"tasks": [], "projects": [], "tombstone": []}
    for row in page:
        ids[row["kind"]].append(row["id"])
    here = {"workspace_id": workspace_id}
    tasks = await queries.TASKS.all(where, {**here, "ids": ids["tasks"]}) if ids["tasks"] else []
    projects = await queries.PROJECTS.all(where, {**here, "ids": ids["projects"]}) if ids["projects"] else []
    gone: Sequence[Row] = []
    if ids["tombstone"]:
        gone = await queries.TOMBSTONES.all(where, {**here, "ids": ids["tombstone"], "at": page[0]["at"]})
    hidden = [
        Deleted(type=Kind.PROJECT, id=row["id"], deleted_at=row["deleted_at"]) for row in projects if row["deleted_at"]
    ]
    return (
        tuple(PlainTask.model_validate(dict(row)) for row in tasks),
        tuple(Project.model_validate(dict(row)) for row in projects if row["deleted_at"] is None),
        (*hidden, *(Deleted(type=row["kind"], id=row["id"], deleted_at=row["deleted_at"]) for row in gone)),
    )


async def forget(tx: AsyncSession) -> bool:
    """Remove tombstones that no token needs any more, a thousand at a time; False when there are no more."""
    done: Any = await tx.execute(queries.forget(utc_now() - KEPT_FOR, _CHUNK))
    return int(done.rowcount) == _CHUNK
