"""The log of mails over HTTP; owners and admins only, for other people's addresses are in it."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from flowtask_contracts.commands import GetEmail, ListEmails
from flowtask_contracts.commands.mailer import Email, EmailDetail, Emails
from flowtask_kit.http.envelope import CursorMeta, Envelope

from ..auth.dependencies import Admin
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Asking
from .schemas import ListEmailsQuery

router = api_router("Emails", "/emails", resource=Resource.EMAILS)


@router.get("", summary="List emails")
async def list_emails(
    caller: Admin, commands: Asking, asked: Annotated[ListEmailsQuery, Query()]
) -> Envelope[tuple[Email, ...]]:
    """What was and will be mailed to the people of the workspace, newest first."""
    command = ListEmails(
        workspace_id=caller.workspace_id,
        status=asked.status,
        user_id=asked.user_id,
        resource_id=None if asked.resource_id is None else str(asked.resource_id),
        cursor=asked.cursor,
        limit=asked.per_page,
    )
    page = await commands.ask(command, Emails)
    return Envelope(data=page.items, meta=CursorMeta(per_page=asked.per_page, next_cursor=page.next_cursor))


@router.get("/{email_id}", summary="Get an email")
async def get_email(caller: Admin, commands: Asking, email_id: UUID) -> Envelope[EmailDetail]:
    """One mail with what stands in it."""
    return Envelope(data=await commands.ask(GetEmail(workspace_id=caller.workspace_id, email_id=email_id), EmailDetail))
