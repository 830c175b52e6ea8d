"""The command on health."""

from flowtask_contracts.commands.webhooks import GetEndpointHealth
from flowtask_kit.bus.answers import Answers

from . import service


def register(answers: Answers) -> None:
    """Answer for how endpoints have been doing."""
    answers.to(GetEndpointHealth, service.of_endpoint)
