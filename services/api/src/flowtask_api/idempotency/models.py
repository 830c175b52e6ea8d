"""The answers that were given under Idempotency-Keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, false, text
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base


class KeptAnswer(Base):
    """A key, the request that it stands for, and the answer to that, which commits with its write; it counts for 24 hours.

    `headers` is a JSON object. Of what another service does there is no answer here: the key is taken before that is asked,
    and its service has the answer. `repeated` says that it has been asked more than once.

    `about` is the digest of the id of a person or workspace, or of an invited address, that stands in it: it is erased with
    them.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "about", postgresql_where=text("about IS NOT NULL")),)

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int | None]
    headers: Mapped[str | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(index=True)
    about: Mapped[bytes | None] = mapped_column(LargeBinary)
    repeated: Mapped[bool] = mapped_column(server_default=false())
