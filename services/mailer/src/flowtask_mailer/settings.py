"""What the mailer is told from outside."""

from pydantic import Field

from flowtask_contracts.base import Text
from flowtask_kit.settings import ServiceSettings


class MailerSettings(ServiceSettings):
    """Settings of `flowtask-mailer`."""

    port: int = Field(default=8430, ge=0, le=65535, description="HTTP port of this service.")
    mail_from: Text = Field(
        default="FlowTask <notifications@flowtask.app>",
        pattern=r"^[^\r\n]{3,320}$",
        description="The sender of every mail.",
    )
    mail_app_url: Text = Field(
        default="https://flowtask.app", pattern=r"^https?://\S+$", description="Origin of the links in mails."
    )
    mail_poll_seconds: float = Field(
        default=1.0,
        gt=0,
        description="How often the database is asked for mails that are due; new ones are sent at once.",
    )
