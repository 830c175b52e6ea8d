"""A mail decides what may become of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_contracts.commands import mailer as contract
from flowtask_contracts.commands.mailer import EmailStatus
from flowtask_kit.database.base import choice

from ..database import Base
from ..transport import Accepted, Message, Outcome, Refused

RETRIES = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 25, 120, 600, 1800, 3600, 7200, 14400))
"""Waits after failed tries: about seven and a half hours in all, which outlasts a provider's bad morning."""

LEASE = timedelta(seconds=60)
"""Longer than any transport may take; what a crashed process had taken is taken again after it."""

RECIPIENT_PATIENCE = timedelta(hours=24)
"""How long a mail waits for its recipient to become known."""

LONGEST_WAIT_FOR_RECIPIENT = timedelta(seconds=60)


class Email(Base):
    """One mail about one event to one person: the constraint on the three makes it one, however often it is heard.

    `facts` is what the event told. Address, subject and texts are written once, before the first try, so that each
    repeat has the same bytes. A result is taken only under the current `claim_no`, except success, which always is.
    """

    __tablename__ = "emails"
    __table_args__ = (
        UniqueConstraint("event_id", "kind", "user_id"),
        Index(None, "workspace_id", sql("id DESC")),
        Index(None, "due_at", postgresql_where=sql("status = 'queued'")),
        Index("ix_emails_actor", sql("(facts ->> 'actor')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    kind: Mapped[str]
    event_id: Mapped[UUID]
    user_id: Mapped[UUID] = mapped_column(index=True)
    resource_id: Mapped[str]
    facts: Mapped[dict[str, Any]]
    sender: Mapped[str | None]
    recipient: Mapped[str | None]
    subject: Mapped[str | None]
    text: Mapped[str | None]
    html: Mapped[str | None]
    status: Mapped[EmailStatus] = mapped_column(choice(EmailStatus, "status"))
    attempts: Mapped[int]
    due_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    claim_no: Mapped[int]
    transport: Mapped[str | None]
    provider_id: Mapped[str | None]
    last_error: Mapped[str | None]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]

    @property
    def written(self) -> bool:
        """True once it has its address and its texts."""
        return self.recipient is not None

    @property
    def message(self) -> Message:
        """What the transport gets; the mail must have been written."""
        assert self.sender is not None
        assert self.recipient is not None
        assert self.subject is not None
        assert self.text is not None
        assert self.html is not None
        return Message(
            id=self.id, sender=self.sender, to=self.recipient, subject=self.subject, text=self.text, html=self.html
        )

    def write(self, *, sender: str, to: str, subject: str, body: str, html: str) -> None:
        """Give it its address and its texts, for good."""
        assert not self.written
        self.sender, self.recipient, self.subject, self.text, self.html = sender, to, subject, body, html

    def claim(self, now: datetime) -> int:
        """Take it for one try; returns the fence under which its result will count."""
        self.lease_until = now + LEASE
        self.claim_no += 1
        return self.claim_no

    def miss_recipient(self, now: datetime) -> None:
        """Wait for the recipient's address to become known, about as long again as it has waited; give up after a day."""
        waited = now - self.created_at
        if waited > RECIPIENT_PATIENCE:
            self.status, self.last_error = EmailStatus.FAILED, "no address of the recipient is known"
        else:
            self.due_at = now + max(timedelta(seconds=1), min(waited, LONGEST_WAIT_FOR_RECIPIENT))

    def settle(
        self, outcome: Outcome, claim: int, *, transport: str, now: datetime, schedule: Sequence[timedelta] = RETRIES
    ) -> bool:
        """Sent, failed for good, or due again after a try; False for a result that came too late to count."""
        if self.status is not EmailStatus.QUEUED or (claim != self.claim_no and not isinstance(outcome, Accepted)):
            return False
        self.attempts += 1
        self.transport, self.lease_until = transport, None
        match outcome:
            case Accepted(provider_id):
                self.status, self.provider_id, self.sent_at, self.last_error = EmailStatus.SENT, provider_id, now, None
            case Refused(reason):
                self.status, self.last_error = EmailStatus.FAILED, reason
            case _ if self.attempts > len(schedule):
                self.status, self.last_error = EmailStatus.FAILED, outcome.reason
            case _:
                self.due_at, self.last_error = now + max(schedule[self.attempts - 1], outcome.wait), outcome.reason
        return True

    def view(self) -> contract.Email:
        """The mail as the log shows it."""
        return contract.Email(
            id=self.id,
            kind=self.kind,
            user_id=self.user_id,
            to=self.recipient,
            subject=self.subject,
            resource_id=self.resource_id,
            event_id=self.event_id,
            status=self.status,
            attempts=self.attempts,
            transport=self.transport,
            last_error=self.last_error,
            created_at=self.created_at,
            sent_at=self.sent_at,
        )

    def detail(self) -> contract.EmailDetail:
        """The mail with what stands in it."""
        return contract.EmailDetail(**dict(self.view()), from_=self.sender, text=self.text, html=self.html)
