"""What a dispatcher tells of its deliveries: every number moves with what it counts, and none names an endpoint or a tenant."""

import asyncio

import pytest
from prometheus_client import REGISTRY

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
