"""Making known who signs in: the person, the organization's workspace, and what the person is there."""

from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.resources import Role
from flowtask_kit.ids import utc_now

from ..accounts import service as accounts
from ..accounts.errors import WorkspaceNotFound
from ..accounts.models import User, Workspace
from ..audit import service as audit
from ..database import Outbox
from ..members import service as members
from . import queries
from .claims import LEEWAY_SECONDS, Organization, Session
from .errors import InvalidToken
from .models import REMEMBERED

_CHUNK = 1000
_MARGIN = timedelta(minutes=1)
"""By how much longer an erasure is remembered than tokens of that age count: clocks differ."""


async def welcome(tx: AsyncSession, session: Session) -> None:
    """Have the person, and the organization's workspace with a place of theirs in it, be as the token says.

    However many do this at once, each is made once and told of once. InvalidToken for a token from before the person was
    erased here.
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
    await _refuse_what_is_from_before(tx, session)
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


async def _refuse_what_is_from_before(tx: AsyncSession, session: Session) -> None:
    """Only a token from after an erasure makes the person known anew; older ones than are remembered could be from before."""
    erased_at = await tx.scalar(queries.erased_at(session.clerk_id))
    leeway = timedelta(seconds=LEEWAY_SECONDS)
    if session.issued_at <= utc_now() - REMEMBERED or (erased_at and session.issued_at <= erased_at + leeway):
        raise InvalidToken


async def forget(tx: AsyncSession) -> bool:
    """Forget erasures that no token which counts is older than, a thousand at a time; False when there are no more."""
    done: Any = await tx.execute(queries.forget_erased(utc_now() - REMEMBERED - _MARGIN, _CHUNK))
    return int(done.rowcount) == _CHUNK


async def _take_place(tx: AsyncSession, user: User, session: Session, organization: Organization) -> None:
    """Join the organization's workspace, or change roles there if the token is newer than the one that told the last.

    The last owner stays owner, whatever the token says.
    """
    workspace = await _workspace(tx, user, organization)
    place = await tx.scalar(queries.membership(workspace.id, user.id))
    if place is None:
        place = await members.join(tx, workspace, user.id, await _role(tx, workspace, organization))
    elif place.clerk_role_at is not None and place.clerk_role_at > session.issued_at:
        return
    elif not agrees(place.role, organization) and not await members.is_last_owner(tx, place):
        await members.give_role(tx, place, await _role(tx, workspace, organization))
    place.clerk_role_at = session.issued_at


async def _workspace(tx: AsyncSession, user: User, organization: Organization) -> Workspace:
    fresh = Workspace.shared(name=organization.name, at=utc_now(), clerk_organization_id=organization.clerk_id)
    if await tx.scalar(queries.add_workspace(fresh)) is not None:
        tx.add(Outbox.of(fresh.created(actor=user.actor)))
        audit.record_by_system(tx, fresh.id, "workspace.created", fresh.id)
    workspace = await tx.scalar(queries.workspace(organization.clerk_id))
    if workspace is None:  # it is being erased; when it is, the organization gets another
        raise WorkspaceNotFound
    return workspace


async def _role(tx: AsyncSession, workspace: Workspace, organization: Organization) -> Role:
    """What Clerk says, except that the first admin of a workspace without an owner becomes that."""
    if organization.role is Role.ADMIN and not await tx.scalar(queries.has_owner(workspace.id)):
        return Role.OWNER
    return organization.role
