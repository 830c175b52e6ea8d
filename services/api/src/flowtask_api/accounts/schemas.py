"""What the account routes read and answer."""

from functools import cache
from typing import Annotated
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from flowtask_contracts.base import Contract, Instant, Text
from flowtask_contracts.resources import Role, Workspace

from ..http.schemas import Body, Name

_zones = cache(available_timezones)


def _zone(value: str) -> str:
    if value not in _zones():
        msg = "must be a name of the IANA time zone database, such as Europe/Berlin"
        raise ValueError(msg)
    return value


TimeZone = Annotated[
    Text,
    Field(max_length=64, description="A name of the IANA time zone database.", examples=["Europe/Berlin"]),
    AfterValidator(_zone),
]

_TAG = r"^[a-zA-Z]{2,3}(-[a-zA-Z]{4})?(-([a-zA-Z]{2}|[0-9]{3}))?(-([a-zA-Z0-9]{5,8}|[0-9][a-zA-Z0-9]{3}))*$"

Locale = Annotated[
    Text,
    Field(
        max_length=35,
        pattern=_TAG,
        json_schema_extra={"pattern": _TAG},
        description="A language tag as BCP 47 (RFC 5646) has it: language, script, region, variants.",
        examples=["de-AT"],
    ),
]


class Me(Contract):
    """The calling user and the workspace that the credential belongs to; `email` is null while none is known."""

    id: UUID
    email: str | None = Field(examples=["ada@example.com"])
    name: str = Field(examples=["Ada Lovelace"])
    time_zone: str = Field(examples=["Europe/Berlin"])
    locale: str = Field(examples=["de-AT"])
    workspace_id: UUID
    role: Role
    operator: bool
    created_at: Instant


class UpdateMe(Body):
    """The fields to change; those left out stay as they are."""

    name: Name = Field(default_factory=str)
    time_zone: TimeZone = Field(default_factory=str)
    locale: Locale = Field(default_factory=str)


class OwnWorkspace(Workspace):
    """A workspace and what the caller is in it."""

    role: Role


class CreateWorkspace(Body):
    """A new shared workspace."""

    name: Name = Field(examples=["Engine room"])


class UpdateWorkspace(Body):
    """The fields to change; those left out stay as they are."""

    name: Name = Field(default_factory=str, examples=["Engine room"])


class Confirmed(Body):
    """What a caller repeats to show that nothing else is meant."""

    confirm: UUID = Field(description="The id of what is to be erased: it cannot be brought back.")
