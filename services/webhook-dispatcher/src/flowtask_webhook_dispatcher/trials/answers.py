"""The commands that send test webhooks."""

from flowtask_contracts.commands.webhook_tests import SendTest, SendTestTo
from flowtask_kit.bus.answers import Answers

from .service import Trials


def register(answers: Answers, trials: Trials) -> None:
    """Answer for test webhooks, each sent at most once."""
    answers.to_outside(SendTest, trials.nothing_to_find_out, trials.begin, trials.send)
    answers.to_outside(SendTestTo, trials.objection, trials.begin_to, trials.send)
