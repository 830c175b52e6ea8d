"""The command that polls."""

from flowtask_contracts.commands.webhook_polls import PollEndpoint
from flowtask_kit.bus.answers import Answers

from . import service


def register(answers: Answers) -> None:
    """Answer for polls."""
    answers.to(PollEndpoint, service.poll)
