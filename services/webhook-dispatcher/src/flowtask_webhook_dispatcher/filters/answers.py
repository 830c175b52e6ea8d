"""The commands on filters."""

from flowtask_contracts.commands.webhook_filters import TryFilter
from flowtask_kit.bus.answers import Answers

from . import service


def register(answers: Answers) -> None:
    """Answer for filters."""
    answers.to(TryFilter, service.attempt)
