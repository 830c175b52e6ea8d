"""What billing is told from outside."""

from pydantic import Field

from flowtask_kit.settings import ServiceSettings


class BillingSettings(ServiceSettings):
    """Settings of `flowtask-billing`."""

    port: int = Field(default=8420, ge=0, le=65535, description="HTTP port of this service.")
