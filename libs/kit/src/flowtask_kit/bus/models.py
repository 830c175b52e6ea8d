"""What a service keeps of the bus in its own schema."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column


class CommandRecord:
    """One command that changed something, its request's hash and its reply: a unique constraint makes it happen once.

    `workspace_id` is the tenant on whose behalf it was carried out, so that it can be erased with it.
    """

    __tablename__ = "command_records"

    command_id: Mapped[UUID] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    workspace_id: Mapped[UUID | None] = mapped_column(index=True)
    reply: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class FailedMessage:
    """A message that a consumer could not handle; a dead letter once `dead_at` is set, which operators can retry.

    `tries` counts failures of our own handling only: an outage of the database or of NATS never counts.
    """

    __tablename__ = "failed_messages"

    consumer: Mapped[str] = mapped_column(primary_key=True)
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[str]
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    stream_seq: Mapped[int] = mapped_column(BigInteger)
    tries: Mapped[int]
    last_error: Mapped[str]
    first_failed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    dead_at: Mapped[datetime | None] = mapped_column(index=True)
