"""Everyone and every tenant, page by page: first users, then workspaces, then memberships.

A cursor is the part and the last key of it that was told, as `users:<id>`; a part alone means its beginning.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands import Snapshot
from flowtask_contracts.commands.api import KnownMembership, KnownUser, KnownWorkspace, SnapshotPage
from flowtask_contracts.errors import ErrorDetail, ValidationFailed

from . import queries


async def page(tx: AsyncSession, command: Snapshot) -> SnapshotPage:
    """Up to `limit` records after the cursor, all of one kind."""
    part, _, key = (command.cursor or "users").partition(":")
    try:
        match part, [UUID(each) for each in key.split(":") if key]:
            case "users", [] | [_] as last:
                return await _users(tx, *last, limit=command.limit)
            case "workspaces", [] | [_] as last:
                return await _workspaces(tx, *last, limit=command.limit)
            case "memberships", [] | [_, _] as last:
                return await _memberships(tx, *last, limit=command.limit)
    except ValueError:
        pass
    raise ValidationFailed(details=[ErrorDetail(field="cursor", message="is not one of ours")])


async def _users(tx: AsyncSession, after: UUID | None = None, *, limit: int) -> SnapshotPage:
    users = (await tx.scalars(queries.users_after(after, limit))).all()
    return SnapshotPage(
        users=tuple(KnownUser(**dict(user.resource()), version=user.version) for user in users),
        next_cursor=f"users:{users[-1].id}" if len(users) == limit else "workspaces",
    )


async def _workspaces(tx: AsyncSession, after: UUID | None = None, *, limit: int) -> SnapshotPage:
    workspaces = (await tx.scalars(queries.workspaces_after(after, limit))).all()
    return SnapshotPage(
        workspaces=tuple(KnownWorkspace(**dict(each.resource()), version=each.version) for each in workspaces),
        next_cursor=f"workspaces:{workspaces[-1].id}" if len(workspaces) == limit else "memberships",
    )


async def _memberships(tx: AsyncSession, *after: UUID, limit: int) -> SnapshotPage:
    places = (await tx.scalars(queries.memberships_after(after, limit))).all()
    last = f"memberships:{places[-1].workspace_id}:{places[-1].user_id}" if len(places) == limit else None
    return SnapshotPage(
        memberships=tuple(KnownMembership(**dict(place.resource()), version=place.version) for place in places),
        next_cursor=last,
    )
