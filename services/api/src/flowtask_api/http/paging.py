"""Pages by number, with a total, and by cursor, for everything deeper."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, Self, TypeVar
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy import ColumnElement, Select, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.errors import ErrorDetail, ValidationFailed
from flowtask_kit.http.envelope import CursorMeta, PageMeta

from .schemas import Body

DEEPEST = 10_000
"""The furthest row that a numbered page may reach, and the largest total that is counted."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR_BYTES = 25

R = TypeVar("R")


PerPage = Annotated[int, Field(ge=1, le=100, description="Rows of a page.")]
Number = Annotated[int, Field(ge=1, description="Number of the page, from 1; page x perPage may not exceed 10,000.")]


class CursorQuery(Body):
    """A page of a list that is only read by cursor."""

    cursor: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9_=.\-]{1,512}$", description="`meta.nextCursor` of the page before."
    )
    per_page: PerPage = 20


class NumberedQuery(Body):
    """A page of a list that is read by number."""

    page: Number = 1
    per_page: PerPage = 20

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.page * self.per_page > DEEPEST:
            msg = "page x perPage may not exceed 10,000"
            raise ValueError(msg)
        return self

    @property
    def offset(self) -> int:
        """How many rows stand before the page."""
        return (self.page - 1) * self.per_page

    def total_known_from(self, rows: int) -> int | None:
        """The total where so many rows of the page tell it already: the page is the last one."""
        return self.offset + rows if (rows or not self.offset) and rows < self.per_page else None


class PageQuery(NumberedQuery):
    """A page by number or by cursor."""

    cursor: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_\-]{0,64}$",
        description="Read by cursor instead of by page: empty for the first page, then `meta.nextCursor`.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.cursor is not None and "page" in self.model_fields_set:
            msg = "page and cursor exclude each other"
            raise ValueError(msg)
        return self


@dataclass(frozen=True)
class Page(Generic[R]):
    """Rows and where they stand."""

    rows: list[R]
    meta: PageMeta | CursorMeta


@dataclass(frozen=True)
class Place:
    """A row's place in a list by time of creation, and the direction in which that list is read."""

    created_at: datetime
    id: UUID
    descending: bool

    def encoded(self) -> str:
        """The opaque cursor that continues after this row."""
        microseconds = (self.created_at - _EPOCH) // timedelta(microseconds=1)
        raw = bytes([self.descending]) + microseconds.to_bytes(8, signed=True) + self.id.bytes
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    @classmethod
    def decoded(cls, cursor: str, *, descending: bool) -> Self:
        """The place a cursor stands for; ValidationFailed for one that we did not make, or made for another order."""
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            if len(raw) != _CURSOR_BYTES or raw[0] != descending:
                raise _unknown_cursor()
            moment = _EPOCH + timedelta(microseconds=int.from_bytes(raw[1:9], signed=True))
        except (binascii.Error, ValueError, OverflowError):
            raise _unknown_cursor() from None
        return cls(moment, UUID(bytes=raw[9:]), descending)


def _unknown_cursor() -> ValidationFailed:
    return ValidationFailed(details=[ErrorDetail(field="cursor", message="is not a cursor of this list")])


async def numbered(tx: AsyncSession, listed: Select[R], asked: NumberedQuery) -> Page[R]:
    """One page of an ordered statement, with a total over the same filter."""
    rows = list((await tx.scalars(listed.offset(asked.offset).limit(asked.per_page))).all())
    total = asked.total_known_from(len(rows))
    if total is None:
        total = await tx.scalar(_count(listed)) or 0
    return Page(rows, page_meta(asked, total))


def page_meta(asked: NumberedQuery, total: int) -> PageMeta:
    """Where a page stands in a list whose rows were counted up to one beyond the deepest."""
    return PageMeta(page=asked.page, per_page=asked.per_page, total=min(total, DEEPEST), total_capped=total > DEEPEST)


def _count(listed: Select[Any]) -> Select[int]:
    """How many rows a statement has, counted no further than one past the cap."""
    reached = listed.with_only_columns(literal(1)).order_by(None).limit(DEEPEST + 1).subquery()
    return select(func.count()).select_from(reached)


async def continued(
    tx: AsyncSession,
    listed: Select[R],
    asked: PageQuery | CursorQuery,
    created_at: Any,
    row_id: Any,
    place: Callable[[R], tuple[datetime, UUID]],
    *,
    descending: bool,
) -> Page[R]:
    """The page after the cursor of a statement ordered by time of creation and id; rows added meanwhile shift nothing."""
    if asked.cursor:
        listed = listed.where(_beyond(created_at, row_id, Place.decoded(asked.cursor, descending=descending)))
    rows = list((await tx.scalars(listed.limit(asked.per_page + 1))).all())
    more = len(rows) > asked.per_page
    rows = rows[: asked.per_page]
    cursor = Place(*place(rows[-1]), descending).encoded() if more else None
    return Page(rows, CursorMeta(per_page=asked.per_page, next_cursor=cursor))


def _beyond(created_at: Any, row_id: Any, place: Place) -> ColumnElement[bool]:
    here, there = tuple_(created_at, row_id), tuple_(literal(place.created_at), literal(place.id))
    return here < there if place.descending else here > there
