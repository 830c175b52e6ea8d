"""A replay's next step is taken when there may be something to do: neither in vain, nor late."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from flowtask_contracts.commands.webhook_replays import ReplayStatus
from flowtask_kit.ids import new_id
from flowtask_webhook_dispatcher.replays.pauses import LATEST, RESTING, SOONEST, Pauses

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ON = SimpleNamespace(active=True, updated_at=NOW - timedelta(days=1))
OFF = SimpleNamespace(active=False, updated_at=NOW - timedelta(days=1))
JUST_OFF = SimpleNamespace(active=False, updated_at=NOW - timedelta(seconds=5))
CLOSED, OPEN = SimpleNamespace(open_until=None), SimpleNamespace(open_until=NOW)


def at(done, status=ReplayStatus.RUNNING, replay_id=None):
    return SimpleNamespace(id=replay_id or new_id(), done=done, status=status)


def after(passed, ended, lacking, *, endpoint=ON, state=CLOSED, status=ReplayStatus.RUNNING):
    """The pause after a step, of one that was looked at some seconds ago and has come so much farther since."""
    pauses, replay = Pauses(), at(100)
    pauses.after(replay, ON, CLOSED, 0, NOW - timedelta(seconds=passed))
    later = at(100 + ended, status, replay.id)
    return pauses.after(later, endpoint, state, lacking, NOW).total_seconds()


@pytest.mark.parametrize(
    ("passed", "ended", "lacking", "pause"),
    [
        (0.5, 25, 40, 0.8),  # 50 a second
        (0.5, 25, 200, 1.0),  # 4 s, and counts are to be newer
        (0.1, 100, 100, 0.1),
        (0.1, 1000, 100, 0.1),  # faster than steps are taken
        (0.1, 1, 100, 0.2),  # it has only begun: twice as long as the last pause
        (0.2, 0, 100, 0.4),
        (0.8, 0, 1, 1.0),
        (0.5, 25, 0, 0.1),  # there is something to do now
        (0.5, 0, 0, 0.1),
        (30, 0, 5, 1.0),
    ],
)
def test_the_pause_is_as_long_as_what_is_lacking_takes_at_the_rate_of_late(passed, ended, lacking, pause):
    assert after(passed, ended, lacking) == pytest.approx(pause)


def test_what_was_not_seen_before_is_looked_at_again_soon():
    assert Pauses().after(at(50), ON, CLOSED, 100, NOW) == SOONEST


@pytest.mark.parametrize(
    ("endpoint", "state", "status", "pause"),
    [
        (OFF, CLOSED, ReplayStatus.RUNNING, RESTING),
        (JUST_OFF, CLOSED, ReplayStatus.RUNNING, LATEST),
        (ON, OPEN, ReplayStatus.RUNNING, LATEST),
        (ON, OPEN, ReplayStatus.CANCELLING, SOONEST),
        (OFF, CLOSED, ReplayStatus.CANCELLING, SOONEST),
        (None, None, ReplayStatus.CANCELLING, SOONEST),
    ],
)
def test_a_webhook_that_is_not_sent_to_is_looked_at_less_often_unless_it_is_being_cancelled(
    endpoint, state, status, pause
):
    assert after(0.1, 100, 1, endpoint=endpoint, state=state, status=status) == pause.total_seconds()


def test_what_ended_elsewhere_is_forgotten():
    pauses = Pauses()
    old, new = at(1), at(1)
    pauses.after(old, ON, CLOSED, 0, NOW)
    pauses.after(new, ON, CLOSED, 0, NOW + timedelta(minutes=2))
    assert pauses.known == {new.id}
