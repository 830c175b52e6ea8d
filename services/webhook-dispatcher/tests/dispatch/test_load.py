import time

from flowtask_webhook_dispatcher.dispatch.load import KEPT_SECONDS, LIVE_SECONDS, Load, spent_by_this_thread


def test_a_process_is_short_when_it_was_busy_all_the_time_and_for_a_while_after():
    now = spent = 0.0
    load = Load(lambda: now, lambda: spent)

    def passes(seconds, share):
        nonlocal now, spent
        now, spent = now + seconds, spent + seconds * share
        load.look()

    passes(0.05, 0.5)
    assert not load.short
    passes(0.05, 0.9)
    assert load.short
    passes(KEPT_SECONDS / 2, 0.1)
    assert load.short
    passes(KEPT_SECONDS, 0.1)
    assert not load.short


def test_two_looks_at_once_say_nothing():
    load = Load(lambda: 1.0, lambda: 1.0)
    load.look()
    assert not load.short


def test_the_clock_counts_what_this_thread_does():
    spent = spent_by_this_thread()
    before, until = spent(), time.perf_counter() + 0.05
    while time.perf_counter() < until:
        pass
    busy = spent() - before
    assert busy > 0.03
    before = spent()
    time.sleep(0.05)
    assert spent() - before < busy


def test_events_that_came_in_count_for_a_second():
    now = 0.0
    load = Load(lambda: now, lambda: 0.0)
    assert not load.live
    load.heard()
    now = LIVE_SECONDS - 0.01
    assert load.live
    now = LIVE_SECONDS + 0.01
    assert not load.live
