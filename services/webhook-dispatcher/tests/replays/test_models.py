"""The account of a replay adds up, whatever happens to it and in whatever order."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from flowtask_contracts.commands.webhook_replays import MISSED, ReplayStatus
from flowtask_kit.ids import new_id, utc_now
from flowtask_webhook_dispatcher.replays.models import WINDOW, Came, planned

few = st.integers(0, WINDOW)


def begun():
    now = utc_now()
    replay = planned(
        replay_id=new_id(),
        workspace_id=new_id(),
        endpoint_id=new_id(),
        recovery=False,
        span=(now - timedelta(hours=1), now),
        statuses=MISSED,
        events=("*",),
    )
    replay.created_at = replay.due_at = now
    return replay


def adds_up(replay):
    view = replay.view()
    assert view.total == view.delivered + view.failed + view.skipped + view.remaining
    assert view.done == view.total - view.remaining
    assert min(view.delivered, view.failed, view.skipped, view.remaining) >= 0
    return view


@given(
    counted=st.lists(few, min_size=1, max_size=5),
    turns=st.lists(st.tuples(few, st.randoms(use_true_random=False)), max_size=20),
    cancelled_at=st.integers(0, 40),
)
def test_the_account_adds_up_at_any_time(counted, turns, cancelled_at):
    replay = begun()
    for place, number in enumerate(counted, 1):
        assert replay.view().status == ReplayStatus.COUNTING
        replay.count(number, new_id(), ended=place == len(counted))
        adds_up(replay)
    under_way, total = 0, replay.total
    for turn, (sent, chance) in enumerate(turns):
        ended = chance.randint(0, under_way)
        delivered = chance.randint(0, ended)
        replay.settle(Came(delivered, ended - delivered, 0))
        under_way -= ended
        if turn == cancelled_at:
            replay.cancel(utc_now())
            break
        replay.go_on(new_id(), under_way + sent)
        under_way += sent
        assert adds_up(replay).remaining >= under_way
        assert replay.total >= total, "what was counted stays counted"
    replay.settle(Came(under_way, 0, 0))
    if replay.status == ReplayStatus.CANCELLING:
        replay.cancelled(utc_now())
        assert adds_up(replay).status == ReplayStatus.CANCELLED
    else:
        replay.complete(utc_now())
        assert adds_up(replay).remaining == 0
    assert not replay.unfinished


def test_a_dry_run_has_no_id_and_says_so_when_there_is_more():
    replay = begun()
    replay.created_at = None
    replay.count(5, new_id(), ended=False)
    view = replay.view()
    assert (view.id, view.status, view.total, view.total_capped) == (None, ReplayStatus.PLANNED, 5, True)
    replay.count(2, new_id(), ended=True)
    assert (replay.view().status, replay.view().total, replay.view().total_capped) == (ReplayStatus.PLANNED, 7, False)
