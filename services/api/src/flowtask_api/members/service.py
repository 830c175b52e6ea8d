"""What callers do with the members of a workspace. Whoever changes any of them holds the workspace's lock."""

from collections.abc import Mapping
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.errors import Forbidden
from flowtask_contracts.resources import Role
from flowtask_kit.ids import utc_now

from ..accounts import queries
from ..accounts.models import Membership, Workspace
from ..accounts.service import administered, locked_place, place
from ..audit import service as audit
from ..auth.models import Caller
from ..database import Outbox
from ..erasure.models import Erasure
from ..erasure.queries import forget_departures
from ..http.paging import Page, continued, numbered
from ..http.preconditions import Precondition
from .errors import LastOwner, MemberNotFound, OnlyOwners
from .schemas import ListMembers, UpdateMember


async def list_members(tx: AsyncSession, caller: Caller, workspace_id: UUID, asked: ListMembers) -> Page[Membership]:
    """Everyone of a workspace that the caller belongs to, by page or by cursor."""
    await place(tx, caller, workspace_id)
    listed = queries.members(workspace_id)
    if asked.cursor is None:
        return await numbered(tx, listed, asked)
    return await continued(
        tx,
        listed,
        asked,
        Membership.created_at,
        Membership.user_id,
        lambda member: (member.created_at, member.user_id),
        descending=False,
    )


async def get_member(tx: AsyncSession, caller: Caller, workspace_id: UUID, user_id: UUID) -> Membership:
    """One member of a workspace that the caller belongs to."""
    await place(tx, caller, workspace_id)
    return await _member(tx, workspace_id, user_id)


async def update_member(
    tx: AsyncSession, caller: Caller, workspace_id: UUID, user_id: UUID, body: UpdateMember, seen: Precondition
) -> Membership:
    """Give a member another role; what changes nothing tells nothing."""
    own = await administered(tx, caller, workspace_id)
    member = await _member(tx, workspace_id, user_id)
    seen.check(member.version)
    if "role" not in body.model_fields_set or member.role is body.role:
        return member
    if Role.OWNER in {member.role, body.role} and own.role is not Role.OWNER:
        raise OnlyOwners
    if await is_last_owner(tx, member):
        raise LastOwner
    await give_role(tx, member, body.role, by=caller)
    return member


async def remove_member(
    tx: AsyncSession, caller: Caller, workspace_id: UUID, user_id: UUID, seen: Precondition
) -> None:
    """Take a member out, with their keys; the tasks that are still open are taken off them soon after."""
    own = await locked_place(tx, caller, workspace_id)
    if user_id != caller.user_id and not own.administers:
        raise Forbidden("Only owners and admins of the workspace may remove somebody else")
    member = await _member(tx, workspace_id, user_id)
    seen.check(member.version)
    if member.role is Role.OWNER and own.role is not Role.OWNER:
        raise OnlyOwners
    if await is_last_owner(tx, member):
        raise LastOwner
    await leave(tx, member, by=caller)


async def join(
    tx: AsyncSession, workspace: Workspace, user_id: UUID, role: Role, *, by: Caller | None = None
) -> Membership:
    """Give somebody a place in a workspace that is locked, told to the other services and in the audit log.

    Here, as in `give_role`, without `by` it was Clerk who said so: the log names the system, the event the person themselves.
    """
    version, actor = await _next_version(tx), _actor(by, user_id)
    member, event = workspace.joined(user_id, role, version=version, actor=actor, at=utc_now())
    tx.add_all((member, Outbox.of(event)))
    _record(tx, by, "member.joined", member, {"role": role.value})
    await tx.execute(forget_departures(workspace.id, user_id))
    return member


async def give_role(tx: AsyncSession, member: Membership, role: Role, *, by: Caller | None = None) -> None:
    """Give a member of a locked workspace another role, told as `join` tells."""
    version, actor = await _next_version(tx), _actor(by, member.user_id)
    _record(tx, by, "member.updated", member, {"changes": {"role": {"from": member.role.value, "to": role.value}}})
    tx.add(Outbox.of(member.change(role, version=version, actor=actor, at=utc_now())))


async def leave(tx: AsyncSession, member: Membership, *, by: Caller) -> None:
    """End a place in a locked workspace, told as `join` tells, and have what is left of it cleared up."""
    now, version = utc_now(), await _next_version(tx)
    _record(tx, by, "member.removed", member, {"role": member.role.value})
    tx.add(Outbox.of(member.deleted(version=version, actor=by.actor, at=now)))
    tx.add(Erasure.of_departure(member.workspace_id, member.user_id, actor=by.actor, at=now))
    await tx.delete(member)


async def is_last_owner(tx: AsyncSession, member: Membership) -> bool:
    """Whether the workspace would be without an owner; its lock keeps the count true."""
    return member.role is Role.OWNER and (await tx.scalar(queries.number_of_owners(member.workspace_id)) or 0) <= 1


def _actor(by: Caller | None, user_id: UUID) -> str:
    return by.actor if by is not None else f"user:{user_id}"


def _record(
    tx: AsyncSession, by: Caller | None, action: str, member: Membership, details: Mapping[str, JsonValue]
) -> None:
    if by is None:
        audit.record_by_system(tx, member.workspace_id, action, member.user_id, details)
    else:
        audit.record(tx, by, action, member.user_id, details, workspace_id=member.workspace_id)


async def _member(tx: AsyncSession, workspace_id: UUID, user_id: UUID) -> Membership:
    member = await tx.scalar(queries.membership(workspace_id, user_id))
    if member is None:
        raise MemberNotFound
    return member


async def _next_version(tx: AsyncSession) -> int:
    version = await tx.scalar(queries.next_membership_version())
    assert version is not None
    return version
