"""Erasing begins with the request: in one transaction what is erased is out of sight, and the rest becomes work."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.errors import ErrorDetail, Forbidden, Unauthorized, ValidationFailed
from flowtask_contracts.resources import Role
from flowtask_kit.ids import utc_now

from ..accounts.errors import PersonalWorkspace
from ..accounts.models import Membership, User, Workspace
from ..accounts.service import locked_place
from ..auth.models import Caller
from ..clerk import queries as clerk
from ..idempotency import queries as answers
from ..idempotency.service import digest_of
from ..invitations import queries as invitations
from ..members.service import leave
from . import queries
from .errors import OnlyOwner
from .models import Erasure


async def erase_workspace(tx: AsyncSession, caller: Caller, workspace_id: UUID, confirm: UUID) -> None:
    """Hide a workspace, its members and its keys from here on; what it holds follows."""
    place = await locked_place(tx, caller, workspace_id)
    if place.role is not Role.OWNER:
        raise Forbidden("Only owners of the workspace may erase it")
    if place.workspace.personal:
        raise PersonalWorkspace
    _require_confirmed(confirm, workspace_id)
    await _hide(tx, place.workspace, actor=caller.actor)


async def erase_person(tx: AsyncSession, caller: Caller, confirm: UUID) -> None:
    """Remove a person with every place and key; hide the workspaces that were theirs alone.

    OnlyOwner while others would be left without an owner.
    """
    _require_confirmed(confirm, caller.user_id)
    user = await tx.scalar(queries.leaving_user(caller.user_id))
    if user is None:
        raise Unauthorized
    workspaces = (await tx.scalars(queries.workspaces_of(user.id))).all()
    _require_own_credential(caller, workspaces)
    places = {place.workspace_id: place for place in await tx.scalars(queries.own_places(user.id))}
    alone = await _alone_in(tx, places, workspaces)
    personal = next(workspace.id for workspace in workspaces if workspace.personal)
    for workspace in workspaces:
        if workspace.id in alone:
            await _hide(tx, workspace, actor=user.actor)
        else:
            await leave(tx, places[workspace.id], by=caller)
    await _remove(tx, user, personal)


async def _alone_in(tx: AsyncSession, places: dict[UUID, Membership], workspaces: Sequence[Workspace]) -> set[UUID]:
    """The workspaces that go with the person; refuses where others would be left without an owner."""
    crews = {row[0]: (row[1], row[2]) for row in await tx.execute(queries.crews(list(places)))}
    alone = {each.id for each in workspaces if each.personal or crews[each.id][0] == 1}
    left_without = [
        each
        for each in workspaces
        if each.id not in alone and places[each.id].role is Role.OWNER and crews[each.id][1] == 1
    ]
    if left_without:
        raise OnlyOwner(details=[ErrorDetail(field=str(each.id), message=each.name) for each in left_without])
    return alone


async def _hide(tx: AsyncSession, workspace: Workspace, *, actor: str) -> None:
    tx.add(Erasure.of_workspace(workspace, actor=actor, at=utc_now()))
    await tx.execute(queries.forget_departures(workspace.id))


async def _remove(tx: AsyncSession, user: User, personal: UUID) -> None:
    about, now = None if user.email is None else digest_of(user.email), utc_now()
    tx.add(Erasure.of_person(user, workspace_id=personal, about=about, at=now))
    await tx.flush()
    await tx.execute(answers.forget_about(digest_of(str(user.id))))
    if user.email is not None and about is not None:
        await tx.execute(invitations.of_address(user.email))
        await tx.execute(answers.forget_about(about))
    if user.clerk_id is not None:
        await tx.execute(clerk.remember_erased(user.clerk_id, now))
    for statement in queries.remove_person(user.id):
        await tx.execute(statement, execution_options={"synchronize_session": False})


def _require_confirmed(given: UUID, meant: UUID) -> None:
    if given != meant:
        raise ValidationFailed(details=[ErrorDetail(field="confirm", message="must be the id of what is to be erased")])


def _require_own_credential(caller: Caller, workspaces: Sequence[Workspace]) -> None:
    """A key of a workspace that others share must not be able to erase a person's other workspaces."""
    personal = {workspace.id for workspace in workspaces if workspace.personal}
    if caller.key_id is not None and caller.workspace_id not in personal:
        raise Forbidden(
            "An API key of a shared workspace cannot erase your account; use one of your personal workspace"
        )
