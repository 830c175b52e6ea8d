"""What the API is told from outside."""

from typing import Annotated

from pydantic import AfterValidator, AnyHttpUrl, Field, NonNegativeInt, SecretStr, field_validator
from pydantic_settings import NoDecode

from flowtask_contracts.resources import Plan
from flowtask_kit.settings import ServiceSettings, url_of

from .clerk.addresses import origin, url

Limits = dict[Plan, tuple[NonNegativeInt, NonNegativeInt]]

_LIMITS: Limits = {Plan.FREE: (100, 30), Plan.PRO: (1_000, 300), Plan.ENTERPRISE: (10_000, 3_000)}

RedisUrl = Annotated[SecretStr, AfterValidator(url_of("redis", "rediss", "unix"))]


class ApiSettings(ServiceSettings):
    """Settings of the API service."""

    public_url: AnyHttpUrl | None = Field(
        default=None,
        description="URL under which callers reach the API; named as the server in /openapi.json.",
        examples=["https://api.example.com"],
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
    rate_limits: Annotated[Limits, AfterValidator(lambda given: {**_LIMITS, **given})] = Field(
        default=_LIMITS,
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
