"""The declarative base of a service, bound to its schema."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Enum, MetaData, Uuid
from sqlalchemy.dialects.postgresql import JSONB

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def metadata_of(schema: str) -> MetaData:
    """Metadata whose tables live in one schema and whose constraints have predictable names."""
    return MetaData(schema=schema, naming_convention=NAMING)


class SchemaBase:
    """The column types that every service's `Base` shares.

    A service declares `class Base(SchemaBase, DeclarativeBase): metadata = metadata_of("api")`.
    """

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: DateTime(timezone=True),
        UUID: Uuid(as_uuid=True),
        dict[str, Any]: JSONB,
        list[str]: JSONB,
    }


def choice(of: type[StrEnum], name: str, *, length: int = 20) -> Enum:
    """A column type for one of these values, kept as text; a check of this name refuses every other."""
    return Enum(
        of,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=length,
        values_callable=lambda kind: [member.value for member in kind],
    )
