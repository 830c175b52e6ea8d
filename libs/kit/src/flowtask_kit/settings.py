"""What every service is told from outside. Importing a module reads nothing; `create` reads the environment."""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def url_of(*schemes: str) -> Callable[[SecretStr], SecretStr]:
    """A check that says what is wrong with a URL without repeating it."""

    def check(value: SecretStr) -> SecretStr:
        scheme, separator, rest = value.get_secret_value().partition("://")
        if scheme not in schemes or not separator or not rest:
            raise ValueError(f"must be a URL that begins with {' or '.join(f'{known}://' for known in schemes)}")
        return value

    return check


PostgresUrl = Annotated[SecretStr, AfterValidator(url_of("postgresql", "postgres"))]
NatsUrl = Annotated[SecretStr, AfterValidator(url_of("nats", "tls"))]


class ServiceSettings(BaseSettings):
    """The settings that all services share; each service adds its own in a subclass. Names carry `FLOWTASK_`."""

    model_config = SettingsConfigDict(env_prefix="FLOWTASK_", extra="ignore", frozen=True)

    database_url: PostgresUrl = Field(
        description="PostgreSQL URL of the service's own role, which sees only the service's own schema.",
        examples=["postgresql://flowtask_api:secret@localhost:5432/flowtask"],
    )
    nats_url: NatsUrl = Field(
        description="NATS URL of the service's own user.",
        examples=["nats://api:secret@localhost:4222"],
    )
    host: str = Field(default="127.0.0.1", description="Address the HTTP port listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="HTTP port of this service.")
    trusted_proxies: str = Field(
        default="127.0.0.1",
        description="Addresses and networks, comma-separated, whose X-Forwarded-For and X-Forwarded-Proto are believed.",
        examples=["10.0.0.0/8"],
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="Lowest level logged.")
    database_pool_size: int = Field(
        default=10,
        ge=1,
        description="PostgreSQL connections of one process. The API may open as many again, for the statements that every "
        "request runs; each service has two more, for its outbox and for /readyz.",
    )
    request_seconds: float = Field(
        default=30.0,
        gt=0,
        description="How long a request's head may take to come, and the rest of it together with its answer.",
    )
    command_patience: float = Field(
        default=1.0,
        ge=1,
        le=10,
        description="How many times its deadline, of 5 seconds nearly always, another service may take to answer a command. "
        "More is for machines that stand still at times.",
    )
    drain_seconds: float = Field(
        default=0.0,
        ge=0,
        description="How long a stopping service answers /readyz with 503 before it refuses new connections.",
    )
    stop_seconds: float = Field(default=20.0, gt=0, description="How long work under way may take to end.")
    otlp_endpoint: str | None = Field(
        default=None,
        description="OTLP/HTTP base URL that traces are sent to; none are sent without it.",
        examples=["http://otel-collector:4318"],
    )
    crashpoints: str = Field(
        default="",
        description="For tests only: `name:n,...` ends the process by SIGKILL when it passes that point the n-th time.",
    )
