"""What bootstrap is told: administrator's URLs, under names that no service reads."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class BootstrapSettings(BaseSettings):
    """Settings of `flowtask-bootstrap`."""

    model_config = SettingsConfigDict(env_prefix="FLOWTASK_BOOTSTRAP_", extra="ignore", frozen=True)

    database_url: SecretStr = Field(
        description="PostgreSQL URL of an administrator, in the database that the services will use.",
        examples=["postgresql://postgres:secret@localhost:5432/flowtask"],
    )
    nats_url: SecretStr = Field(
        description="NATS URL of a user that may create streams and consumers.",
        examples=["nats://admin:secret@localhost:4222"],
    )
    role_passwords: dict[str, SecretStr] = Field(
        description="JSON object with the password of each service's PostgreSQL role, by service name.",
        examples=['{"api": "...", "webhook-dispatcher": "...", "billing": "...", "mailer": "..."}'],
    )
    stream_replicas: int = Field(default=1, ge=1, le=5, description="Copies of each stream; 3 in production.")


class NatsUsersSettings(BaseSettings):
    """Settings of `flowtask-bootstrap --nats-authorization`."""

    model_config = SettingsConfigDict(env_prefix="FLOWTASK_BOOTSTRAP_", extra="ignore", frozen=True)

    nats_passwords: dict[str, SecretStr] = Field(
        description="JSON object with the NATS password of each service, by service name, and of `admin`.",
        examples=['{"admin": "...", "api": "...", "webhook-dispatcher": "...", "billing": "...", "mailer": "..."}'],
    )
