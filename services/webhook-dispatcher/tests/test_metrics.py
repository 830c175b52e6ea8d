"""What a dispatcher tells of its deliveries: every number moves with what it counts, and none names an endpoint or a tenant."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from flowtask_contracts.base import rfc3339
from flowtask_contracts.commands import StartReplay
from flowtask_kit.ids import new_id, utc_now
from flowtask_webhook_dispatcher.overview import look

PREFIX = "flowtask_webhook_"
LABELS = {"outcome", "status", "reason", "number", "state", "table", "le"}
QUICK = {"webhooks_breaker_seconds": 0.6, "webhooks_timeout_seconds": 1.5}


def told(name, **labels):
    return REGISTRY.get_sample_value(PREFIX + name, labels) or 0.0


@pytest.fixture
def since():
    """How much a number has grown since the test began."""
    before = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
    }

    def grown(name, **labels):
        return told(name, **labels) - before.get((PREFIX + name, *sorted(labels.items())), 0.0)

    return grown


async def test_attempts_are_counted_by_what_they_came_to_and_by_their_number(
    serve, receive, subscribe, publish, settled, since
):
    await serve(**QUICK)
    flaky = await receive(lambda _request: 503 if len(flaky.requests) == 1 else 200)
    refusing = await receive(404)
    one = await subscribe(flaky.url, events=["task.created"], retry_policy="custom", retry_schedule=(1,))
    two = await subscribe(refusing.url, events=["task.updated"])
    three = await subscribe("http://127.0.0.1:1/", events=["task.deleted"], retry_policy="custom", retry_schedule=(1,))
    await settled(one, await publish("task.created"), "delivered")
    await settled(two, await publish("task.updated"), "failed")
    await settled(three, await publish("task.deleted"), "failed")
    counts = {
        (outcome, status): since("attempts_total", outcome=outcome, status=status)
        for outcome, status in (("delivered", "2xx"), ("failed", "5xx"), ("refused", "4xx"), ("failed", "none"))
    }
    assert counts == {("delivered", "2xx"): 1, ("failed", "5xx"): 1, ("refused", "4xx"): 1, ("failed", "none"): 2}
    assert since("no_answers_total", reason="connect_refused") == 2
    assert since("retries_total", number="1") == 2
    assert since("attempt_seconds_count") == 5
    assert since("first_attempt_seconds_count") == 3
    assert since("end_to_end_seconds_count") == 1
    assert since("end_to_end_seconds_sum") >= 1.0, "it was delivered by the second try, a second later"
    assert 0 < since("first_attempt_seconds_sum") < 30


async def test_what_is_going_on_now_is_told(serve, receive, subscribe, publish, until):
    await serve(**{**QUICK, "webhooks_timeout_seconds": 30})
    gate = asyncio.Event()

    async def behind_the_gate(_request):
        await gate.wait()
        return 200

    hanging, failing, gone = await receive(behind_the_gate), await receive(500), await receive(410)
    await subscribe(hanging.url, events=["task.created"])
    await publish("task.created")
    await until(lambda: told("in_flight") == 1)
    await until(lambda: told("in_hand") == 0)  # its row holds it now, and the stream does not
    assert told("in_flight") == 1
    gate.set()
    await until(lambda: told("in_flight") == 0)
    await subscribe(failing.url, events=["task.updated"])
    for _ in range(6):
        await publish("task.updated")
    await until(lambda: told("circuits", state="open") == 1)
    await until(lambda: told("oldest_due_seconds") > 0)
    await until(lambda: told("circuits", state="half-open") + told("circuits", state="open") == 1)
    await subscribe(gone.url, events=["task.deleted"])
    await publish("task.deleted")
    await until(lambda: told("disabled_endpoints") == 1)


async def test_what_waits_for_somebody_is_told(
    serve, receive, subscribe, publish, settled, until, pool, ask, workspace
):
    replica = await serve(webhooks_timeout_seconds=30)
    gate = asyncio.Event()

    async def refused_and_then_hanging(_request):
        if len(hanging.requests) > 1:
            await gate.wait()
        return 400

    blocking, hanging = await receive(400), await receive(refused_and_then_hanging)
    blocked = await subscribe(blocking.url, ordering="resource", after_last_try="block", events=["task.created"])
    replayed = await subscribe(hanging.url, events=["task.deleted"])
    await settled(blocked, await publish("task.created"), "failed")
    await settled(replayed, await publish("task.deleted"), "failed")
    span = {"since": rfc3339(utc_now() - timedelta(hours=1)), "statuses": ("failed",)}
    named = {"workspace_id": workspace, "command_id": new_id(), "endpoint_id": replayed.id}
    await ask(StartReplay(**named, **span))
    await until(lambda: len(hanging.requests) == 2)

    await look(replica.app.state.resources.direct)
    assert told("blocked_keys") == 1
    assert {state: told("replays", state=state) for state in ("counting", "running", "cancelling")} == {
        "counting": 0,
        "running": 1,
        "cancelling": 0,
    }
    assert told("replays_late_seconds") < 30

    async def late():
        """Unless a step comes between: each sets its time anew."""
        await pool.execute("UPDATE webhooks.replays SET due_at = now() - interval '5 minutes'")
        await look(replica.app.state.resources.direct)
        return told("replays_late_seconds") >= 300

    await until(late)
    gate.set()

    async def ended():
        await look(replica.app.state.resources.direct)
        return told("replays", state="running") == 0 and told("replays_late_seconds") == 0

    await until(ended)


async def test_no_label_says_whose_an_endpoint_is(serve, receive, subscribe, publish, settled, workspace):
    await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    event = await publish()
    await settled(endpoint, event, "delivered")
    samples = [sample for family in REGISTRY.collect() for sample in family.samples]
    ours = [sample for sample in samples if sample.name.startswith(PREFIX)]
    assert len({sample.name for sample in ours}) > 20
    assert {name for sample in ours for name in sample.labels} <= LABELS
    values = " ".join(value for sample in samples for value in sample.labels.values())
    for secret in (workspace, endpoint.id, event, receiver.port):
        assert str(secret) not in values
