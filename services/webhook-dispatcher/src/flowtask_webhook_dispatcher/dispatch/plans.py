"""What follows an attempt: the end of a delivery, or a plan for its due row."""

import random
from datetime import datetime
from typing import Any, NamedTuple

from flowtask_contracts.commands.webhook_deliveries import Trigger

from ..deliveries.models import NEVER, Accepted, Delivered, DueAgain, GivenUp, Gone, Next, settle
from .work import Attempted

BY_SCHEDULE = frozenset({Trigger.SCHEDULE, Trigger.RECOVERY})

DELIVERED = Delivered()


class Plan(NamedTuple):
    """Of a due row: next attempt, scheduled attempts made, trigger, when the schedule goes on after a manual attempt.

    And since when it holds up its key.
    """

    at: datetime
    attempts: int
    trigger: str
    resume_at: datetime | None = None
    blocked_at: datetime | None = None


def after_attempt(entry: Attempted, attempts: int, now: datetime) -> Next:
    """What follows the `attempts`-th attempt of the schedule."""
    if isinstance(entry.result.outcome, Accepted):
        return DELIVERED
    waits = entry.parcel.receiver.policy.waits
    return settle(attempts, entry.result.outcome, waits, now, jitter=random.random())  # noqa: S311 - spreads load


def after_claim(entry: Attempted, row: Any, now: datetime) -> tuple[Next, Plan | None]:
    """What follows a due row's attempt, and what its row becomes; without a plan it goes.

    A row that turned manual while an attempt was under way that was none is still owed the manual one. One that blocks goes on to do
    so until it is delivered.
    """
    if row is None or isinstance(entry.result.outcome, Accepted):
        return DELIVERED, None
    if entry.parcel.trigger in BY_SCHEDULE:
        return _after_schedule(entry, row, now)
    if entry.parcel.trigger is Trigger.REPLAY and row["trigger"] == Trigger.MANUAL:
        return DueAgain(now), Plan(now, row["attempts"], Trigger.MANUAL, row["resume_at"], row["blocked_at"])
    if row["blocked_at"] is not None and row["order_key"] is not None:
        return GivenUp(), Plan(NEVER, row["attempts"], Trigger.SCHEDULE, None, row["blocked_at"])
    if row["resume_at"] is None:
        return GivenUp(), None
    at = max(row["resume_at"], now)
    return DueAgain(at), Plan(at, row["attempts"], Trigger.SCHEDULE)


def _after_schedule(entry: Attempted, row: Any, now: datetime) -> tuple[Next, Plan | None]:
    attempts = row["attempts"] + 1
    following, at, blocked_at = after_attempt(entry, attempts, now), None, None
    if isinstance(following, DueAgain):
        at = following.at
    elif row["order_key"] is not None and _blocks(entry):  # else the order was turned off meanwhile
        at, blocked_at = NEVER, now
    if row["trigger"] not in BY_SCHEDULE:
        return DueAgain(now), Plan(now, attempts, row["trigger"], at, blocked_at)
    return following, None if at is None else Plan(at, attempts, row["trigger"], None, blocked_at)


def _blocks(entry: Attempted) -> bool:
    """Whether what comes after it waits until somebody decides, now that it is given up."""
    outcome, parcel = entry.result.outcome, entry.parcel
    unwanted = isinstance(outcome, Gone) and outcome.unwanted
    return parcel.place is not None and parcel.receiver.policy.blocks and not unwanted
