"""Commands of the mailer, and the mails it answers with."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from flowtask_contracts.base import Contract, Instant, Text
from flowtask_contracts.commands.envelope import WorkspaceCommand


class EmailStatus(StrEnum):
    """Where a mail stands; `queued` means that it is due, under way, or waits for its next try."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


class Email(Contract):
    """One mail to one person. `transport` says what took it: `capture` keeps mails here and sends none.

    `to` and `subject` are null until the mail was written, which needs its recipient's address.
    """

    id: UUID
    kind: str = Field(examples=["task-assigned"])
    user_id: UUID
    to: str | None = Field(examples=["ada@example.com"])
    subject: str | None = Field(examples=["You've been assigned: Write the launch announcement"])
    resource_id: str = Field(examples=["01a20400-0000-7000-8000-02dea4eb4d20"])
    event_id: UUID
    status: EmailStatus = Field(examples=["sent"])
    attempts: int = Field(examples=[1])
    transport: str | None = Field(examples=["capture"])
    last_error: str | None = Field(examples=[None])
    created_at: Instant
    sent_at: Instant | None


class EmailDetail(Email):
    """A mail with what stands in it."""

    from_: str | None = Field(alias="from", examples=["FlowTask <notifications@flowtask.app>"])
    text: str | None = Field(examples=["Ada, this is yours now: Write the launch announcement."])
    html: str | None = Field(examples=["<p>Ada, this is yours now: Write the launch announcement.</p>"])


class Emails(Contract):
    """A page of mails, newest first."""

    items: tuple[Email, ...]
    next_cursor: str | None


class MailerCommand(WorkspaceCommand):
    """Anything the mailer is asked."""

    service: ClassVar[str] = "mailer"


class ListEmails(MailerCommand):
    """The workspace's mails, newest first."""

    verb = "list-emails"
    answer = Emails

    user_id: UUID | None = None
    resource_id: Text | None = None
    status: EmailStatus | None = None
    cursor: Text | None = None
    limit: int = Field(default=20, ge=1, le=100)


class GetEmail(MailerCommand):
    """One mail with what stands in it."""

    verb = "get-email"
    answer = EmailDetail

    email_id: UUID
