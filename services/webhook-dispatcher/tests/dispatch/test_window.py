import pytest

from flowtask_local.clock import Clock
from flowtask_webhook_dispatcher.dispatch.window import AT_FIRST, LEAST, MOST_MESSAGES, SLOT_SECONDS, Window


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def window(clock):
    """One of a process whose messages go to one endpoint each."""
    made = Window(clock)
    for _ in range(200):
        made.taken(1)
    return made


def test_at_first_little_is_pulled(clock):
    assert Window(clock).messages() == LEAST / AT_FIRST


def test_what_settles_quickly_widens_it_and_what_stalls_narrows_it_again(window, clock):
    assert window.messages() == pytest.approx(LEAST, abs=1)
    for _ in range(4):
        window.settled(800)
        clock.now += SLOT_SECONDS
    assert window.messages() == pytest.approx(1200, abs=2)
    clock.now += 2 * SLOT_SECONDS
    assert window.messages() == pytest.approx(LEAST, abs=1)


def test_it_is_never_more_than_a_process_may_hold(window):
    window.settled(1_000_000)
    assert window.messages() == MOST_MESSAGES


def test_deliveries_in_hand_take_room(window):
    assert window.messages(400) == pytest.approx(LEAST - 400, abs=1)
    assert window.messages(2 * LEAST) < 0


def test_a_message_for_many_endpoints_counts_as_many(window):
    for _ in range(200):
        window.taken(20)
    assert window.messages() == pytest.approx(LEAST / 20, abs=1)
    for _ in range(200):
        window.taken(0)
    assert window.messages() == pytest.approx(LEAST, abs=1)
