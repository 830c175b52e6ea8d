"""What callers may ask about mails."""

from uuid import UUID

from pydantic import Field

from flowtask_contracts.commands.mailer import EmailStatus

from ..http.paging import CursorQuery


class ListEmailsQuery(CursorQuery):
    """Which mails to list."""

    status: EmailStatus | None = None
    user_id: UUID | None = Field(default=None, description="Only mails to this person.")
    resource_id: UUID | None = Field(default=None, description="Only mails about this resource, such as a task.")
