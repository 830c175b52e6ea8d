"""The commands on events."""

from flowtask_contracts.commands.webhook_events import GetEvent, ListEvents
from flowtask_kit.bus.answers import Answers

from . import service


def register(answers: Answers) -> None:
    """Answer for events."""
    answers.to(ListEvents, service.page)
    answers.to(GetEvent, service.get)
