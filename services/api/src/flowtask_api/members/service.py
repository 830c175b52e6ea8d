"""What callers do with the members of a workspace. Whoever changes any of them holds the workspace's lock."""

from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.errors import Forbidden
from flowtask_contracts.resources import Role
from flowtask_kit.ids import utc_now

from ..accounts import queries
from ..accounts.models import Membership
from ..accounts.service import administered, locked_place, place
from ..audit import service as audit
from ..auth.models import Caller
from ..database import Outbox
from ..erasure.models import Erasure
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
    await _require_other_owner(tx, member)
    changed: dict[str, JsonValue] = {"changes": {"role": {"from": member.role.value, "to": body.role.value}}}
    audit.record(tx, caller, "member.updated", user_id, changed, workspace_id=workspace_id)
    version = await _next_version(tx)
    tx.add(Outbox.of(member.change(body.role, version=version, actor=caller.actor, at=utc_now())))
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
    await _require_other_owner(tx, member)
    audit.record(tx, caller, "member.removed", user_id, {"role": member.role.value}, workspace_id=workspace_id)
    await leave(tx, member, actor=caller.actor)


async def leave(tx: AsyncSession, member: Membership, *, actor: str) -> None:
    """End a place, and have what is left of it cleared up; the workspace is locked."""
    now, version = utc_now(), await _next_version(tx)
    tx.add(Outbox.of(member.deleted(version=version, actor=actor, at=now)))
    tx.add(Erasure.of_departure(member.workspace_id, member.user_id, actor=actor, at=now))
    await tx.delete(member)


async def _member(tx: AsyncSession, workspace_id: UUID, user_id: UUID) -> Membership:
    member = await tx.scalar(queries.membership(workspace_id, user_id))
    if member is None:
        raise MemberNotFound
    return member


async def _require_other_owner(tx: AsyncSession, member: Membership) -> None:
    """Refuse to take the last owner away; the workspace's lock keeps the count true."""
    if member.role is Role.OWNER and (await tx.scalar(queries.number_of_owners(member.workspace_id)) or 0) <= 1:
        raise LastOwner


async def _next_version(tx: AsyncSession) -> int:
    version = await tx.scalar(queries.next_membership_version())
    assert version is not None
    return version
