"""Refusals of the service that owns webhooks, as the description tells them; the words are the owner's."""

from flowtask_contracts.errors import NotFound


class WebhookNotFound(NotFound):
    """No such webhook in the caller's workspace."""

    message = "Webhook not found"
