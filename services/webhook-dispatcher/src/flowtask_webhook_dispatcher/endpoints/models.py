"""Endpoints: who wants to hear what, and the state of sending to them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_contracts.commands.webhooks import Endpoint as EndpointView

from ..database import Base


class Endpoint(Base):
    """A subscriber. `revision` is the global revision of its last write, by which every replica reloads it.

    A deleted endpoint keeps its row, so that replicas learn of it and history stays readable; its secret is wiped.
    """

    __tablename__ = "endpoints"
    __table_args__ = (
        Index("ix_endpoints_workspace_id", "workspace_id", "id", postgresql_where=text("deleted_at IS NULL")),
        Index("ix_endpoints_revision", "revision"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    url: Mapped[str]
    events: Mapped[list[str]] = mapped_column(JSONB)
    description: Mapped[str | None]
    active: Mapped[bool]
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_by: Mapped[UUID]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(BigInteger)

    def view(self, secret: str | None = None) -> EndpointView:
        """What the owner sees; the secret only where it was just made."""
        return EndpointView(
            id=self.id,
            url=self.url,
            events=tuple(self.events),
            description=self.description,
            active=self.active,
            created_by=self.created_by,
            created_at=self.created_at,
            updated_at=self.updated_at,
            secret=secret,
            secret_shown=secret is None,
        )


class EndpointState(Base):
    """How an endpoint is sent to. While `managed`, only the replica that holds the lease sends, from due rows.

    `epoch` rises with each new holder of the lease; `failures` and `open_until` belong to the circuit breaker.
    """

    __tablename__ = "endpoint_state"

    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey(Endpoint.id), primary_key=True)
    managed: Mapped[bool] = mapped_column(server_default=text("false"))
    owner: Mapped[UUID | None]
    lease_until: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    epoch: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    open_until: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(server_default=text("0"))


class EndpointRevision(Base):
    """One row: the number of endpoint writes so far, raised in the transaction of each."""

    __tablename__ = "endpoint_revision"
    __table_args__ = (CheckConstraint("one", name="one"),)

    one: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    revision: Mapped[int] = mapped_column(BigInteger)
