"""How an endpoint is spared: its circuit, its limits, and what it asks for itself."""

import asyncio
import time
from datetime import timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

from flowtask_contracts.commands import GetEndpoint, UpdateEndpoint
from flowtask_contracts.errors import ValidationFailed
from flowtask_kit.ids import new_id, utc_now

QUICK = {"webhooks_breaker_seconds": 0.6, "webhooks_timeout_seconds": 1.5}


@pytest.fixture
def endpoint_of(ask, workspace):
    async def get(endpoint):
        return await ask(GetEndpoint(workspace_id=workspace, endpoint_id=endpoint.id))

    return get


@pytest.fixture
def update(ask, workspace):
    async def change(endpoint, **more):
        return await ask(UpdateEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id, **more))

    return change


@pytest.fixture
def in_state(endpoint_of, until):
    """Wait until the owner sees the endpoint in this state of its circuit."""

    async def wait(endpoint, circuit):
        async def reached():
            found = await endpoint_of(endpoint)
            return found if found.circuit == circuit else None

        return await until(reached)

    return wait


async def test_an_outage_is_waited_for_with_few_attempts_and_caught_up_with_gently(
    serve, receive, subscribe, publish, settled, in_state, until
):
    await serve(**QUICK)
    well, now, most = asyncio.Event(), 0, []

    async def answer(_request):
        nonlocal now
        if not well.is_set():
            return 503
        now += 1
        most.append(now)
        await asyncio.sleep(0.02)
        now -= 1
        return 200

    receiver = await receive(answer)
    endpoint = await subscribe(receiver.url)
    first = [await publish() for _ in range(5)]
    held = await in_state(endpoint, "open")
    assert held.held_until is not None
    later = await asyncio.gather(*(publish() for _ in range(80)))
    await until(lambda: len(receiver.requests) >= 7, limit=60)
    tried = len(receiver.requests)
    assert tried <= 12, "while it is away, one attempt a time tries whether it is back"
    well.set()
    for event in (*first, *later):
        await settled(endpoint, event, "delivered", limit=60)
    assert most[0] == 1
    assert max(most[:2]) <= 2, "at first one at a time"
    assert max(most) <= 16
    await in_state(endpoint, "closed")
    event = await publish()
    await settled(endpoint, event, "delivered")


async def test_the_attempts_that_wait_for_a_circuit_use_up_no_tries(serve, receive, subscribe, publish, settled, until):
    await serve(**QUICK)
    failing = asyncio.Event()
    receiver = await receive(lambda _request: 200 if failing.is_set() else 500)
    endpoint = await subscribe(receiver.url, retry_policy="custom", retry_schedule=(1, 1, 1, 1))
    events = [await publish() for _ in range(5)]
    begun = time.monotonic()
    await until(lambda: time.monotonic() - begun > 5 or len(receiver.requests) > 12, limit=60)
    failing.set()
    for event in events:
        found = await settled(endpoint, event, "delivered", limit=60)
        assert found.attempts <= 5
    assert sum(len(receiver.of(event)) for event in events) == len(receiver.requests)


def in_seconds(wait):
    return str(wait)


def as_a_date(wait):
    """To whole seconds, so one more than asked for is never too little."""
    return format_datetime(utc_now() + timedelta(seconds=wait + 1), usegmt=True)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", [in_seconds, as_a_date])
async def test_retry_after_leaves_the_whole_endpoint_alone_and_costs_nothing(
    serve, receive, subscribe, publish, settled, in_state, status, form
):
    await serve(**QUICK)

    def answer(_request):
        return (status, {"Retry-After": form(2)}) if len(receiver.requests) == 1 else 200

    receiver = await receive(answer)
    endpoint = await subscribe(receiver.url)
    first = await publish()
    await in_state(endpoint, "open")
    others = [await publish() for _ in range(3)]
    for event in (first, *others):
        found = await settled(endpoint, event, "delivered")
        assert found.attempts == (2 if event == first else 1)
    early, *late = receiver.requests
    assert all(request.at - early.at >= 1.95 for request in late)


@pytest.mark.parametrize("replicas", [1, 2])
async def test_a_rate_limit_holds_for_all_replicas_together(serve, receive, subscribe, publish, settled, replicas):
    for _ in range(replicas):
        await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url, rate_limit=10, rate_period_seconds=1)
    events = await asyncio.gather(*(publish() for _ in range(35)))
    for event in events:
        await settled(endpoint, event, "delivered", limit=60)
    times = [request.at for request in receiver.requests]
    assert len(times) == 35
    assert all(last - first >= 0.93 for first, last in zip(times, times[10:], strict=False))
    assert times[-1] - times[0] < 8


@pytest.mark.parametrize("replicas", [1, 2])
async def test_a_limit_of_concurrency_holds_for_all_replicas_together(
    serve, receive, subscribe, publish, settled, replicas
):
    for _ in range(replicas):
        await serve(**QUICK)
    under_way, most = 0, 0

    async def answer(_request):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.03)
        under_way -= 1
        return 200

    receiver = await receive(answer)
    endpoint = await subscribe(receiver.url, max_concurrency=2)
    events = await asyncio.gather(*(publish() for _ in range(30)))
    for event in events:
        await settled(endpoint, event, "delivered", limit=60)
    assert most == 2


@pytest.mark.parametrize(
    ("answer", "reason", "status"),
    [
        (410, "gone", "failed"),
        ((500, {"webhook-delivery": "disable"}), "receiver", "failed"),
        ((204, {"Webhook-Delivery": " Disable "}), "receiver", "delivered"),
    ],
)
async def test_a_receiver_may_end_its_webhooks(
    serve, receive, subscribe, publish, settled, endpoint_of, update, until, answer, reason, status
):
    await serve(**QUICK)
    receiver = await receive(answer)
    endpoint = await subscribe(receiver.url)
    event = await publish()
    found = await settled(endpoint, event, status)
    assert (found.attempts, found.next_attempt_at) == (1, None)

    async def disabled():
        seen = await endpoint_of(endpoint)
        return None if seen.active else seen

    seen = await until(disabled)
    assert seen.disabled_reason == reason
    assert seen.disabled_at is not None
    await publish()
    back = await update(endpoint, active=True)
    assert (back.active, back.disabled_at, back.disabled_reason) == (True, None, None)
    receiver.answer = lambda _request: 200
    again = await publish()
    await settled(endpoint, again, "delivered")
    assert len(receiver.requests) == 2


async def test_a_receiver_may_end_the_tries_of_one_delivery(serve, receive, subscribe, publish, settled, endpoint_of):
    await serve(**QUICK)
    receiver = await receive((500, {"webhook-delivery": "abort-message"}))
    endpoint = await subscribe(receiver.url)
    found = await settled(endpoint, await publish(), "failed")
    assert found.attempts == 1
    assert (await endpoint_of(endpoint)).active


async def test_with_any_other_statuses_are_tried_again_on_a_schedule_of_its_own(
    serve, receive, subscribe, publish, settled
):
    await serve(**QUICK)
    receiver = await receive(lambda _request: 404 if len(receiver.requests) < 3 else 200)
    endpoint = await subscribe(receiver.url, retry_on="any", retry_policy="custom", retry_schedule=(1, 4))
    event = await publish()
    await settled(endpoint, event, "delivered")
    waits = [after.at - before.at for before, after in pairwise(receiver.of(event))]
    assert 1.0 <= waits[0] < 4, "the first wait, and not the second, however busy the machine is"
    assert 4.0 <= waits[1] < 16


async def test_what_ran_out_of_tries_just_before_the_circuit_opened_goes_again_once(
    serve, receive, subscribe, publish, settled, in_state
):
    await serve(**QUICK)
    well = asyncio.Event()
    receiver = await receive(lambda _request: 200 if well.is_set() else 500)
    endpoint = await subscribe(receiver.url, retry_policy="custom", retry_schedule=(1,))
    lost = await publish()
    await settled(endpoint, lost, "failed")
    assert len(receiver.of(lost)) == 2
    held = [await publish() for _ in range(3)]
    await in_state(endpoint, "open")
    well.set()
    for event in (*held, lost):
        found = await settled(endpoint, event, "delivered")
    assert [attempt.trigger for attempt in found.attempt_log] == ["schedule", "schedule", "recovery"]


async def test_what_fails_in_its_other_round_as_well_stays_failed(
    serve, receive, subscribe, publish, settled, in_state
):
    await serve(**QUICK)
    poison, well = set(), asyncio.Event()
    receiver = await receive(lambda request: 200 if well.is_set() and request.event_id not in poison else 500)
    endpoint = await subscribe(receiver.url, retry_policy="custom", retry_schedule=(1,))
    lost = await publish()
    poison.add(str(lost))
    await settled(endpoint, lost, "failed")
    held = [await publish() for _ in range(3)]
    await in_state(endpoint, "open")
    well.set()
    for event in held:
        await settled(endpoint, event, "delivered")
    found = await settled(endpoint, lost, "failed")
    while len(receiver.of(lost)) < 3:
        await asyncio.sleep(0.05)
    after = [await publish() for _ in range(5)]
    for event in after:
        await settled(endpoint, event, "delivered")
    assert found.attempts <= 4
    assert len(receiver.of(lost)) <= 4


async def test_a_new_address_is_tried_at_once(serve, receive, subscribe, publish, settled, in_state, update):
    await serve(webhooks_breaker_seconds=300, webhooks_timeout_seconds=1.5)
    old, new = await receive(500), await receive()
    endpoint = await subscribe(old.url)
    events = [await publish() for _ in range(6)]
    await in_state(endpoint, "open")
    changed = await update(endpoint, url=new.url)
    assert (changed.circuit, changed.held_until) == ("closed", None)
    for event in events:
        await settled(endpoint, event, "delivered", limit=60)


async def test_what_an_endpoint_asks_for_is_shown_and_checked(serve, subscribe, update, endpoint_of):
    await serve(**QUICK)
    url = "http://127.0.0.1:1/"
    endpoint = await subscribe(url)
    assert (endpoint.retry_policy, endpoint.retry_schedule, endpoint.retry_on) == ("standard", (1, 5, 25), "server")
    changed = await update(endpoint, retry_policy="long", rate_limit=5, rate_period_seconds=60, max_concurrency=1)
    assert changed.retry_schedule == (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    assert await endpoint_of(endpoint) == changed
    changed = await update(endpoint, retry_policy="custom", retry_schedule=(3, 4))
    assert (changed.retry_policy, changed.retry_schedule) == ("custom", (3, 4))
    changed = await update(endpoint, rate_limit=None, retry_policy="custom")
    assert (changed.rate_limit, changed.max_concurrency, changed.retry_schedule) == (None, 1, (3, 4))
    for wrong in (
        {"retry_policy": "custom"},
        {"retry_policy": "standard", "retry_schedule": (1,)},
        {"retry_policy": "custom", "retry_schedule": (86_400,) * 6},
    ):
        with pytest.raises(ValidationFailed) as refused:
            await subscribe(url, **wrong)
        assert refused.value.details[0].field == "retrySchedule"
