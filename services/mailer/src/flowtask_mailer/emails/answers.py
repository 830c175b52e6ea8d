"""The commands on mails."""

from flowtask_contracts.commands import GetEmail, ListEmails
from flowtask_kit.bus.answers import Answers

from . import service


def register(answers: Answers) -> None:
    """Answer for mails."""
    answers.to(ListEmails, service.page)
    answers.to(GetEmail, service.get)
