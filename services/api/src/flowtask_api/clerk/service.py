"""Making known who signs in: the person, the organization's workspace, and what the person is there."""

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.resources import Role
from flowtask_kit.ids import utc_now

from ..accounts import queries as account_queries
from ..accounts import service as accounts
from ..accounts.errors import WorkspaceNotFound
from ..accounts.models import User, Workspace
from ..database import Outbox
from . import queries
from .claims import Organization, Session


async def welcome(tx: AsyncSession, session: Session) -> None:
    """Have the person, and the organization's workspace with a place of theirs in it, be as the token says.

    However many do this at once, each is made once and told of once.
    """
    user = await tx.scalar(queries.user(session.clerk_id))
    if user is None:
        await tx.execute(queries.one_at_a_time(session.clerk_id))
        user = await tx.scalar(queries.user(session.clerk_id)) or await _first_sight(tx, session)
    if session.organization is not None:
        await _take_place(tx, user, session, session.organization)


def agrees(role: Role, organization: Organization) -> bool:
    """Whether a role is what Clerk says of the person; it knows no owners, they are admins to it."""
    return (role is Role.MEMBER) == (organization.role is Role.MEMBER)


async def _first_sight(tx: AsyncSession, session: Session) -> User:
    """The person who has the address and proves it, else a new one; without an address that is somebody else's."""
    if session.email is not None and session.email_verified:
        known = await tx.scalar(queries.link(session.email, session.clerk_id))
        if known is not None:
            return known
    now = utc_now()
    user = User.new(email=session.email, name=session.name, at=now, clerk_id=session.clerk_id)
    if await tx.scalar(queries.add_user(user)) is None:
        user = User.new(email=None, name=session.name, at=now, clerk_id=session.clerk_id)
        await tx.execute(queries.add_user(user))
    await accounts.settle_in(tx, user)
    return user


async def _take_place(tx: AsyncSession, user: User, session: Session, organization: Organization) -> None:
    """Join the organization's workspace, or change roles there if the token is newer than the one that told the last."""
    workspace = await _workspace(tx, user, organization)
    place = await tx.scalar(queries.membership(workspace.id, user.id))
    now = utc_now()
    if place is None:
        role = await _role(tx, workspace, organization)
        place, joined = workspace.joined(user.id, role, version=await _version(tx), actor=user.actor, at=now)
        tx.add(place)
        tx.add(Outbox.of(joined))
    elif place.clerk_role_at is not None and place.clerk_role_at > session.issued_at:
        return
    elif not agrees(place.role, organization):
        role = await _role(tx, workspace, organization)
        tx.add(Outbox.of(place.change(role, version=await _version(tx), actor=user.actor, at=now)))
    place.clerk_role_at = session.issued_at


async def _workspace(tx: AsyncSession, user: User, organization: Organization) -> Workspace:
    fresh = Workspace.shared(name=organization.name, at=utc_now(), clerk_organization_id=organization.clerk_id)
    if await tx.scalar(queries.add_workspace(fresh)) is not None:
        tx.add(Outbox.of(fresh.created(actor=user.actor)))
    workspace = await tx.scalar(queries.workspace(organization.clerk_id))
    if workspace is None:  # it is being erased; when it is, the organization gets another
        raise WorkspaceNotFound
    return workspace


async def _version(tx: AsyncSession) -> int:
    return (await tx.scalars(account_queries.next_membership_version())).one()


async def _role(tx: AsyncSession, workspace: Workspace, organization: Organization) -> Role:
    """What Clerk says, except that the first admin of a workspace without an owner becomes that."""
    if organization.role is Role.ADMIN and not await tx.scalar(queries.has_owner(workspace.id)):
        return Role.OWNER
    return organization.role
