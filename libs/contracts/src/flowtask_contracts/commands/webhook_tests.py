"""Commands that send a test webhook at once and tell what came of it."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, JsonValue

from flowtask_contracts.base import Text
from flowtask_contracts.commands.webhook_deliveries import Exchange
from flowtask_contracts.commands.webhooks import Url, WebhookCommand
from flowtask_contracts.signing_secrets import OwnSecret
from flowtask_contracts.webhook_content import Headers, PayloadForm

DEADLINE = 15.0
"""In seconds: a receiver may take its time."""

TestedType = Annotated[Text, Field(min_length=1, max_length=100)]


class SentTest(Exchange):
    """A test webhook and what came back. Neither it nor its outcome counts for anything.

    `matches` says whether the webhook's types and filter would have let such an event through; null without a webhook. `secret`
    is present where it was made for this test, and `secret_shown` says that an answer before this one has shown it.
    """

    id: UUID = Field(description="Its `webhook-id`.")
    delivery_id: UUID
    event: str = Field(examples=["task.created"])
    delivered: bool = Field(description="Whether the answer was 2xx.", examples=[True])
    matches: bool | None = Field(default=None, examples=[True])
    payload: dict[str, JsonValue] = Field(
        description="The body that was sent.",
        examples=[{"test": True, "event": "task.created", "data": {"title": "T"}}],
    )
    secret: str | None = Field(default=None, repr=False)
    secret_shown: bool = False


class SendTest(WebhookCommand):
    """Send the sample of a type to an endpoint, active or not, as a real event of that type would be sent; at most once.

    RateLimited when the workspace, or everybody together to that host, has sent too many lately.
    """

    verb = "send-test"
    answer = SentTest
    changes = True
    deadline = DEADLINE

    endpoint_id: UUID
    event: TestedType = "task.created"


class SendTestTo(WebhookCommand):
    """The same to a URL that is no endpoint yet, under a secret that is given or a new one, which the answer holds, once."""

    verb = "send-test-to"
    answer = SentTest
    changes = True
    deadline = DEADLINE
    concealed = frozenset({"secret"})

    url: Url
    event: TestedType = "task.created"
    secret: OwnSecret | None = None
    headers: Headers = Field(default_factory=dict)
    payload: PayloadForm = PayloadForm.FULL
