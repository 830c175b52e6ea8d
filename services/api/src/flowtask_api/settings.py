"""What the API is told from outside."""

from pydantic import AnyHttpUrl, Field

from flowtask_kit.settings import ServiceSettings


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
        default=1.0, gt=0, description="How often to look for deleted projects whose tasks are still there."
    )
