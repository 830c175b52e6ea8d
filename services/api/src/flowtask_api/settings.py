"""What the API is told from outside."""

import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, AnyHttpUrl, BeforeValidator, Field, NonNegativeInt, SecretStr, field_validator
from pydantic_settings import NoDecode

from flowtask_contracts.resources import Plan
from flowtask_kit.settings import ServiceSettings, url_of

from .clerk.addresses import origin, url

Limits = dict[Plan, tuple[NonNegativeInt, NonNegativeInt]]

DEFAULT_LIMITS: Limits = {Plan.FREE: (100, 30), Plan.PRO: (1_000, 300), Plan.ENTERPRISE: (10_000, 3_000)}

RedisUrl = Annotated[SecretStr, AfterValidator(url_of("redis", "rediss", "unix"))]


_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](:[0-9]{1,5})?")


def _listed(given: Any) -> Any:
    """A JSON list, or names between commas, as a list."""
    if not isinstance(given, str):
        return given
    if given.lstrip().startswith("["):
        return json.loads(given)
    return [part.strip() for part in given.split(",") if part.strip()]


def _origin(given: str) -> str:
    if "*" in given:
        msg = "* would let every page on the web call; name the origins, such as https://app.example.com"
        raise ValueError(msg)
    if not _ORIGIN.fullmatch(given):
        msg = "must be an origin as browsers send it: https://app.example.com, in lower case, without a path"
        raise ValueError(msg)
    return given


Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_listed)]


class ApiSettings(ServiceSettings):
    """Settings of the API service."""

    public_url: AnyHttpUrl | None = Field(
        default=None,
        description="URL under which callers reach the API; named as the server in /openapi.json. Where it is https, answers "
        "have browsers insist on that.",
        examples=["https://api.example.com"],
    )
    cors_origins: Origins = Field(
        default=(),
        description="Origins, comma-separated or as a JSON list, whose pages may call the API from a browser; none by default.",
        examples=["https://app.example.com,https://admin.example.com"],
    )
    key_use_flush_seconds: float = Field(
        default=5.0, gt=0, description="How often the times at which API keys were last used are written down."
    )
    deletion_poll_seconds: float = Field(
        default=1.0, gt=0, description="How often to look for what deletions and erasures have left to do."
    )
    invitation_days: int = Field(
        default=7, ge=1, le=90, description="How long an invitation to a workspace can be accepted."
    )
    rate_limits: Annotated[Limits, AfterValidator(lambda given: {**DEFAULT_LIMITS, **given})] = Field(
        default=DEFAULT_LIMITS,
        description="JSON object: how many requests, and how many writes among them, a key may make in any minute, by plan. "
        "Plans that are left out keep their limits.",
        examples=['{"FREE": [100, 30], "PRO": [1000, 300], "ENTERPRISE": [10000, 3000]}'],
    )
    failed_authentications: NonNegativeInt = Field(
        default=20, description="How many authentications of one address may fail in any minute before it gets 429."
    )
    redis_url: RedisUrl | None = Field(
        default=None,
        description="Redis or Valkey in which replicas share their rate limits; without it each has its own.",
        examples=["redis://:secret@localhost:6379/0"],
    )
    redis_seconds: float = Field(
        default=0.2, gt=0, description="How long Redis may take to answer before a replica limits on its own."
    )
    clerk_issuer: Annotated[str, AfterValidator(url)] | None = Field(
        default=None,
        description="Clerk's Frontend API URL, which issues session tokens; people cannot sign in with Clerk without it.",
        examples=["https://clerk.example.com"],
    )
    clerk_jwks_url: Annotated[str, AfterValidator(url)] | None = Field(
        default=None,
        description="Where Clerk's public keys are, if not under /.well-known/jwks.json of the issuer.",
        examples=["https://clerk.example.com/.well-known/jwks.json"],
    )
    clerk_authorized_parties: Annotated[tuple[Annotated[str, AfterValidator(origin)], ...], NoDecode] = Field(
        default=(),
        description="Origins, comma-separated, of the frontends whose session tokens count; without any, every one's do.",
        examples=["https://app.example.com,http://localhost:3000"],
    )
    clerk_keys_fresh_seconds: float = Field(
        default=3600.0, gt=0, description="Age at which Clerk's public keys are fetched anew."
    )

    @field_validator("clerk_authorized_parties", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
