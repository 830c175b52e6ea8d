"""What other services may ask about accounts."""

from flowtask_contracts.commands import Snapshot
from flowtask_kit.bus.answers import Answers

from . import snapshot


def register(answers: Answers) -> None:
    """Answer for people and tenants."""
    answers.to(Snapshot, snapshot.page)
