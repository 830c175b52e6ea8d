"""What happens to webhooks themselves. They go to other webhooks of the workspace, never to the one that they are about."""

from flowtask_contracts.events.envelope import Event
from flowtask_contracts.resources import WebhookStanding


class WebhookEvent(Event):
    """Any event of a webhook; `data` says how it stands."""

    data: WebhookStanding


class WebhookFailing(WebhookEvent):
    """Nothing has arrived for half, three quarters, or nine tenths of the time after which the webhook is disabled."""

    type = "webhook.failing"


class WebhookDisabled(WebhookEvent):
    """Nothing is sent any more: nothing had arrived for too long, or the receiver has ended it."""

    type = "webhook.disabled"


class WebhookRecovered(WebhookEvent):
    """Something has arrived again, after the webhook was said to be failing or was disabled."""

    type = "webhook.recovered"
