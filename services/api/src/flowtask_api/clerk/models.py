"""What is remembered of people from Clerk who were erased."""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base

REMEMBERED = timedelta(hours=24)
"""For how long. A session token lives a minute; one that is older than this makes nobody known."""


class ErasedClerkId(Base):
    """That somebody with this id at Clerk was erased, and when; a digest, so that it names nobody."""

    __tablename__ = "erased_clerk_ids"

    clerk_digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    erased_at: Mapped[datetime] = mapped_column(index=True)


def digest_of(clerk_id: str) -> bytes:
    """What stands for an id."""
    return hashlib.sha256(clerk_id.encode()).digest()
