"""Keeping the projection of people and tenants."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.api import KnownMembership, KnownUser, KnownWorkspace, SnapshotPage
from flowtask_kit.ids import utc_now

from . import queries
from .models import Membership, Recipient, Workspace

NEWEST = 2**31 - 1
"""The version of whoever is erased: no news is newer."""


class OwnersUnknown(Exception):
    """Every workspace has an owner, and news of this one's has not come yet."""


AGAIN_AFTER = timedelta(minutes=1)
"""A snapshot that was read to its end is not read again for as long, whoever is missed."""


async def learn(
    tx: AsyncSession,
    *,
    users: Sequence[KnownUser] = (),
    workspaces: Sequence[KnownWorkspace] = (),
    memberships: Sequence[KnownMembership] = (),
) -> None:
    """Keep what is newest about these; of each there may be one only."""
    if users:
        rows = [{"user_id": one.id, "email": one.email, "name": one.name, "version": one.version} for one in users]
        await tx.execute(queries.newest(Recipient, ("user_id",), rows))
    if workspaces:
        rows = [
            {"workspace_id": one.id, "name": one.name, "personal": one.personal, "version": one.version}
            for one in workspaces
        ]
        await tx.execute(queries.newest(Workspace, ("workspace_id",), rows))
    if memberships:
        places = {(one.workspace_id, one.user_id): (one.role.value, one.version) for one in memberships}
        await _keep_places(tx, places)


async def leave(tx: AsyncSession, workspace_id: UUID, user_id: UUID, *, version: int) -> None:
    """Keep that a person's place in a workspace has ended, unless something newer is known of it."""
    await _keep_places(tx, {(workspace_id, user_id): (None, version)})


async def forget_person(tx: AsyncSession, user_id: UUID) -> None:
    """Forget a person for good."""
    gone = {"user_id": user_id, "email": "", "name": "", "version": NEWEST, "erased_at": utc_now()}
    await tx.execute(queries.newest(Recipient, ("user_id",), [gone]))


async def forget_workspace(tx: AsyncSession, workspace_id: UUID) -> None:
    """Forget a tenant for good."""
    gone = {"workspace_id": workspace_id, "name": "", "personal": False, "version": NEWEST, "erased_at": utc_now()}
    await tx.execute(queries.newest(Workspace, ("workspace_id",), [gone]))


async def is_erased(tx: AsyncSession, *, user_id: UUID, workspace_id: UUID) -> bool:
    """Whether either of them is gone for good."""
    return bool((await tx.scalars(queries.erased([user_id], [workspace_id]))).all())


async def owners(tx: AsyncSession, workspace_id: UUID) -> Sequence[UUID]:
    """Who owns a workspace; nobody once it is erased. OwnersUnknown while nobody has told of any."""
    found = (await tx.scalars(queries.owners(workspace_id))).all()
    if await tx.scalar(queries.gone(workspace_id)) is not None:
        return ()
    if not found:
        raise OwnersUnknown
    return found


async def learn_page(tx: AsyncSession, page: SnapshotPage, cursor: str | None) -> None:
    """Keep a page of the owner's snapshot that was asked for with `cursor`, and note how far it was read."""
    await learn(tx, users=page.users, workspaces=page.workspaces, memberships=page.memberships)
    filled_at = utc_now() if page.next_cursor is None else None
    await tx.execute(queries.advance(cursor, page.next_cursor, filled_at=filled_at))


async def known(tx: AsyncSession, user_ids: Collection[UUID]) -> dict[UUID, Recipient]:
    """The people of these ids who are known."""
    return {found.user_id: found for found in await tx.scalars(queries.recipients(user_ids))}


async def workspace_names(tx: AsyncSession, workspace_ids: Collection[UUID]) -> dict[UUID, str]:
    """The names of these workspaces, as far as they are known; a personal one has none worth telling."""
    found = await tx.scalars(queries.workspaces(workspace_ids))
    return {one.workspace_id: one.name for one in found if not one.personal}


async def _keep_places(tx: AsyncSession, places: Mapping[tuple[UUID, UUID], tuple[str | None, int]]) -> None:
    """Keep what is newest about these places, except of people and in tenants that are erased."""
    tenants, people = {tenant for tenant, _ in places}, {person for _, person in places}
    gone = set((await tx.scalars(queries.erased(people, tenants))).all())
    rows = [
        {"workspace_id": tenant, "user_id": person, "role": role, "version": version}
        for (tenant, person), (role, version) in places.items()
        if tenant not in gone and person not in gone
    ]
    if rows:
        await tx.execute(queries.newest(Membership, ("workspace_id", "user_id"), rows))


async def somebody_is_missing(tx: AsyncSession) -> None:
    """Have the owner's snapshot read anew, unless that was done just now."""
    await tx.execute(queries.want_again(utc_now() - AGAIN_AFTER))
