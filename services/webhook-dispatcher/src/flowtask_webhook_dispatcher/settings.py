"""What the webhook dispatcher is told from outside."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from flowtask_kit.settings import ServiceSettings


class DispatcherSettings(ServiceSettings):
    """Settings of `flowtask-webhook-dispatcher`."""

    port: int = Field(default=8410, ge=0, le=65535, description="HTTP port of this service.")
    webhooks_secret_keys: SecretStr = Field(
        description="Key ring that encrypts endpoint secrets: `id:base64 of 32 bytes`, comma-separated; the first encrypts.",
        examples=["2026a:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U="],
    )
    webhooks_allow_http: bool = Field(default=False, description="Also deliver to http:// URLs; never in production.")
    webhooks_allow_private_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        default=(),
        description="Networks, comma-separated, that receivers may live in although they are not public.",
        examples=["127.0.0.0/8,::1/128"],
    )
    webhooks_timeout_seconds: float = Field(default=10.0, gt=0, le=60, description="Deadline of one whole attempt.")
    webhooks_concurrency: int = Field(default=512, ge=1, description="Attempts under way at once in this process.")
    webhooks_endpoint_concurrency: int = Field(
        default=16, ge=1, description="Attempts under way at once to one endpoint, in this process."
    )
    webhooks_breaker_failures: int = Field(
        default=5, ge=1, description="Failures in a row after which an endpoint is left alone for a while."
    )
    webhooks_breaker_seconds: float = Field(
        default=10.0,
        gt=0,
        le=300,
        description="How long that is at first; twice as long each time, five minutes at most.",
    )
    webhooks_max_endpoints: int = Field(default=100, ge=1, description="Endpoints of one workspace.")

    webhooks_keep_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="Days that events and their deliveries are kept, unless something is due.",
    )
    webhooks_keep_attempts_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="Days that attempts are kept, with what receivers answered; never longer than their deliveries.",
    )

    @field_validator("webhooks_allow_private_networks", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        return value
