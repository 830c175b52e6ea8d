"""Making accounts, and showing who is who."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.resources import Role
from flowtask_kit.ids import utc_now

from ..auth.models import Caller
from ..database import Outbox
from . import queries
from .errors import NotAMember, UserNotFound, WorkspaceNotFound
from .models import User, Workspace
from .schemas import Me, Member, OwnWorkspace


async def create_user(tx: AsyncSession, *, email: str, name: str) -> tuple[UUID, UUID]:
    """The ids of a person and of the personal workspace, made together; those there already are for a known address."""
    user = User.new(email=email, name=name, at=utc_now())
    fresh = await tx.scalar(
        insert(User)
        .values(id=user.id, email=user.email, name=name, created_at=user.created_at, updated_at=user.updated_at)
        .on_conflict_do_nothing(index_elements=[User.email])
        .returning(User.id)
    )
    if fresh is None:
        known = (await tx.scalars(queries.user_by_email(email))).one()
        return known.id, await own_workspace(tx, known.id)
    return user.id, await settle_in(tx, user)


async def settle_in(tx: AsyncSession, user: User) -> UUID:
    """Give a person whose row was just made a personal workspace, and tell of both; the workspace's id."""
    workspace = Workspace.personal_of(user)
    membership, joined = workspace.joined(user, Role.OWNER, at=user.created_at)
    tx.add(workspace)
    await tx.flush()
    tx.add(membership)
    tx.add_all(Outbox.of(event) for event in (user.created_in(workspace), workspace.created(by=user), joined))
    return workspace.id


async def own_workspace(tx: AsyncSession, user_id: UUID) -> UUID:
    """The id of a person's own workspace."""
    workspace_id = await tx.scalar(queries.personal_workspace(user_id))
    if workspace_id is None:
        raise WorkspaceNotFound
    return workspace_id


async def member_by_email(tx: AsyncSession, email: str, workspace_id: UUID | None) -> tuple[User, UUID]:
    """A person and the workspace meant, the personal one when none is named; refuses who has no place there."""
    user = await tx.scalar(queries.user_by_email(email))
    if user is None:
        raise UserNotFound
    if workspace_id is None:
        return user, await own_workspace(tx, user.id)
    if await tx.scalar(queries.membership(workspace_id, user.id)) is None:
        raise NotAMember
    return user, workspace_id


async def me(tx: AsyncSession, caller: Caller) -> Me:
    """Who the caller is."""
    user = (await tx.scalars(queries.user(caller.workspace_id, caller.user_id))).one()
    return Me(
        id=user.id,
        email=user.email,
        name=user.name,
        workspace_id=caller.workspace_id,
        role=caller.role,
        operator=caller.operator,
        created_at=user.created_at,
    )


async def workspaces(tx: AsyncSession, caller: Caller) -> tuple[OwnWorkspace, ...]:
    """The workspaces that the credential opens: the one it belongs to."""
    workspace = (await tx.scalars(queries.workspace(caller.workspace_id))).one()
    return (OwnWorkspace(**dict(workspace.resource()), role=caller.role),)


async def members(tx: AsyncSession, caller: Caller, workspace_id: UUID) -> tuple[Member, ...]:
    """Everyone of the caller's workspace."""
    if workspace_id != caller.workspace_id:
        raise WorkspaceNotFound
    rows = await tx.execute(queries.members(workspace_id))
    return tuple(
        Member(user_id=user.id, name=user.name, email=user.email, role=place.role, joined_at=place.created_at)
        for place, user in rows
    )
