"""What the webhook dispatcher is told from outside."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, Field, InstanceOf, SecretStr, field_validator
from pydantic_settings import NoDecode

from flowtask_kit.settings import ServiceSettings

from .transport import parse_proxy

_MAX_PORT = 65535


def _proxy(value: SecretStr) -> SecretStr:
    parse_proxy(value.get_secret_value())
    return value


def ports(text: str) -> tuple[range, ...]:
    """The ports that `8443,9000-9100` names; raises ValueError."""
    spans = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = part.partition("-")
        numbers = (first, last if dash else first)
        if not all(number.isascii() and number.isdigit() and len(number) <= len(str(_MAX_PORT)) for number in numbers):
            raise ValueError("must be ports and spans of ports, comma-separated, as 8443,9000-9100")
        low, high = (int(number) for number in numbers)
        if not 1 <= low <= high <= _MAX_PORT:
            raise ValueError(f"must be ports between 1 and {_MAX_PORT}")
        spans.append(range(low, high + 1))
    return tuple(spans)


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
    webhooks_ports: Annotated[tuple[InstanceOf[range], ...], NoDecode] = Field(
        default=(),
        description="Ports and spans of ports, comma-separated, that receivers may listen on beside 443 (and 80, where "
        "http is allowed).",
        examples=["8443,9000-9100"],
    )
    webhooks_proxy_url: Annotated[SecretStr, AfterValidator(_proxy)] | None = Field(
        default=None,
        description="Egress proxy that every webhook goes through, by CONNECT to the address that was checked here.",
        examples=["http://user:password@proxy.internal:3128"],
    )
    webhooks_timeout_seconds: float = Field(default=10.0, gt=0, le=60, description="Deadline of one whole attempt.")
    webhooks_concurrency: int = Field(default=512, ge=1, description="Attempts under way at once in this process.")
    webhooks_endpoint_concurrency: int = Field(
        default=16,
        ge=1,
        description="Attempts under way at once to one endpoint that sets no `maxConcurrency`, in this process.",
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
    webhooks_replay_rate: float = Field(
        default=250.0,
        ge=5,
        le=10_000,
        description="Deliveries of replays that this process begins in a second at most; a fifth of it while events come in.",
    )
    webhooks_disable_after_hours: int = Field(
        default=120,
        ge=2,
        le=300,
        description="Hours of nothing but failures after which a webhook is disabled; only hours count in which we were there.",
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

    @field_validator("webhooks_ports", mode="before")
    @classmethod
    def _ports(cls, value: object) -> object:
        return ports(value) if isinstance(value, str) else value

    @field_validator("webhooks_allow_private_networks", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        return value
