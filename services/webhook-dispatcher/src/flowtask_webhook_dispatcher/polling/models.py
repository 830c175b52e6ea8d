"""How far an endpoint that is polled has come."""

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base
from ..endpoints.models import Endpoint


class Polling(Base):
    """The places of an endpoint's deliveries: the last one that was given, and the last one that was acknowledged.

    Its row is locked for as long as places are given, so that they are given and become visible in their order.
    """

    __tablename__ = "pollings"

    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey(Endpoint.id), primary_key=True)
    last_place: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    acknowledged: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
