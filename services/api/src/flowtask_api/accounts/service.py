"""Making accounts, showing who is who, and who may do what in a workspace."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.errors import Forbidden, Unauthorized
from flowtask_contracts.resources import Role
from flowtask_kit.ids import utc_now

from ..audit import service as audit
from ..auth.models import Caller
from ..database import Outbox
from ..http.paging import NumberedQuery, Page, numbered
from ..http.preconditions import Precondition, etag
from . import queries
from .errors import NotAMember, UserNotFound, WorkspaceNotFound
from .models import Membership, User, Workspace
from .schemas import Me, UpdateMe, UpdateWorkspace


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
    membership, joined = workspace.joined(user.id, Role.OWNER, version=1, actor=user.actor, at=user.created_at)
    tx.add(workspace)
    await tx.flush()
    tx.add(membership)
    tx.add_all(Outbox.of(event) for event in (user.created_in(workspace), workspace.created(actor=user.actor), joined))
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


async def me(tx: AsyncSession, caller: Caller) -> tuple[Me, str]:
    """Who the caller is, and the tag of that."""
    place = await tx.scalar(queries.membership(caller.workspace_id, caller.user_id))
    if place is None:  # erased since the credential was checked
        raise Unauthorized
    return _me(caller, place.user, place), etag(place.user.version, place.version)


async def update_me(tx: AsyncSession, caller: Caller, body: UpdateMe, seen: Precondition) -> tuple[Me, str]:
    """Change what was sent, if the person is as the caller has seen it; what changes nothing tells nothing."""
    user = await tx.scalar(queries.locked_user(caller.user_id))
    if user is None:
        raise Unauthorized
    seen.check(user.version)
    fields = {name: getattr(body, name) for name in body.model_fields_set}
    event = user.change(fields, workspace_id=await own_workspace(tx, user.id), at=utc_now())
    if event is not None:
        tx.add(Outbox.of(event))
        await tx.flush()
    return await me(tx, caller)


async def workspaces(tx: AsyncSession, caller: Caller, asked: NumberedQuery) -> Page[Membership]:
    """The caller's places in the workspaces that the credential opens: a key opens one, a person all of theirs."""
    places = queries.places(caller.user_id)
    if caller.key_id is not None:
        places = places.where(Membership.workspace_id == caller.workspace_id)
    return await numbered(tx, places, asked)


async def place(tx: AsyncSession, caller: Caller, workspace_id: UUID) -> Membership:
    """The caller's place in a workspace, with both; WorkspaceNotFound where the credential opens none."""
    _require_opens(caller, workspace_id)
    found = await tx.scalar(queries.membership(workspace_id, caller.user_id))
    if found is None:
        raise WorkspaceNotFound
    return found


async def locked_place(tx: AsyncSession, caller: Caller, workspace_id: UUID) -> Membership:
    """The caller's place in a workspace that nobody else can change, or the people of, before the transaction ends."""
    _require_opens(caller, workspace_id)
    if await tx.scalar(queries.own_locked_workspace(workspace_id, caller.user_id)) is None:
        raise WorkspaceNotFound
    return await place(tx, caller, workspace_id)


async def administered(tx: AsyncSession, caller: Caller, workspace_id: UUID, *, reads: bool = False) -> Membership:
    """The same place, which must be that of an owner or admin, else Forbidden; nothing is locked for who only `reads`."""
    found = await (place if reads else locked_place)(tx, caller, workspace_id)
    if not found.administers:
        raise Forbidden("Only owners and admins of the workspace may do this")
    return found


async def create_workspace(tx: AsyncSession, caller: Caller, name: str) -> Membership:
    """A new shared workspace, owned by the caller, who must be a person: a key belongs to one workspace."""
    if caller.key_id is not None:
        raise Forbidden("An API key belongs to one workspace and cannot make another; sign in to do this")
    place = await add_workspace(tx, caller.user_id, name)
    audit.record(tx, caller, "workspace.created", place.workspace_id, workspace_id=place.workspace_id)
    return place


async def add_workspace(tx: AsyncSession, user_id: UUID, name: str) -> Membership:
    """A new shared workspace with one owner."""
    if await tx.scalar(queries.locked_user(user_id)) is None:
        raise Unauthorized
    actor, now = f"user:{user_id}", utc_now()
    workspace = Workspace.new(name=name, personal=False, at=now)
    membership, joined = workspace.joined(user_id, Role.OWNER, version=1, actor=actor, at=now)
    tx.add(workspace)
    await tx.flush()
    tx.add(membership)
    tx.add_all(Outbox.of(event) for event in (workspace.created(actor=actor), joined))
    await tx.flush()
    return (await tx.scalars(queries.membership(workspace.id, user_id).execution_options(populate_existing=True))).one()


async def update_workspace(
    tx: AsyncSession, caller: Caller, workspace_id: UUID, body: UpdateWorkspace, seen: Precondition
) -> Membership:
    """Rename a workspace, if it is as the caller has seen it; what changes nothing tells nothing."""
    found = await administered(tx, caller, workspace_id)
    seen.check(found.workspace.version)
    if "name" in body.model_fields_set:
        event = found.workspace.rename(body.name, actor=caller.actor, at=utc_now())
        if event is not None:
            audit.record(tx, caller, "workspace.updated", workspace_id, workspace_id=workspace_id)
            tx.add(Outbox.of(event))
    return found


def _require_opens(caller: Caller, workspace_id: UUID) -> None:
    if caller.key_id is not None and workspace_id != caller.workspace_id:
        raise WorkspaceNotFound


def _me(caller: Caller, user: User, place: Membership) -> Me:
    return Me(
        id=user.id,
        email=user.email,
        name=user.name,
        time_zone=user.time_zone,
        locale=user.locale,
        workspace_id=caller.workspace_id,
        role=place.role,
        operator=caller.operator,
        created_at=user.created_at,
    )
