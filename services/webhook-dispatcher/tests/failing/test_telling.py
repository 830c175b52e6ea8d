"""What owners hear of a webhook that is disabled and comes back, by the real service and another webhook of theirs."""

import pytest

from flowtask_contracts.commands import GetEndpoint, StartReplay, UpdateEndpoint
from flowtask_kit.ids import new_id

QUICK = {"webhooks_breaker_seconds": 0.6, "webhooks_timeout_seconds": 1.5}


@pytest.fixture
def seen(ask, workspace):
    return lambda endpoint: ask(GetEndpoint(workspace_id=workspace, endpoint_id=endpoint.id))


@pytest.fixture
def turn_on(ask, workspace):
    return lambda endpoint: ask(
        UpdateEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id, active=True)
    )


def of_type(receiver, kind):
    return [request.document for request in receiver.requests if request.document["event"] == kind]


async def test_a_disabled_webhook_is_told_of_elsewhere_tried_out_first_and_offered_what_it_missed(
    serve, receive, subscribe, publish, settled, seen, turn_on, until, ask, workspace, unacknowledged
):
    await serve(**QUICK)
    ending, watching = await receive(410), await receive()
    endpoint = await subscribe(ending.url, description="billing")
    await subscribe(watching.url, ("webhook.*",))
    lost = await publish()
    await settled(endpoint, lost, "failed")
    [disabled] = await until(lambda: of_type(watching, "webhook.disabled"))
    assert disabled["data"]["id"] == str(endpoint.id)
    assert (disabled["data"]["disabledReason"], disabled["data"]["description"]) == ("gone", "billing")
    missed = [await publish() for _ in range(3)]

    async def taken():
        return await unacknowledged() == 0

    await until(taken)
    found = await seen(endpoint)
    assert (found.active, found.disabled_reason) == (False, "gone")
    assert found.missed.since <= found.disabled_at
    assert found.missed.recover.endswith(f"/webhooks/{endpoint.id}/recover")

    ending.answer = lambda _request: 200
    back = await turn_on(endpoint)
    assert (back.active, back.circuit, back.disabled_at) == (True, "half-open", None)
    assert back.missed is not None
    replay = await ask(StartReplay(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id, recovery=True))
    for event in missed:
        await settled(endpoint, event, "delivered")
    assert replay.total >= 3
    [recovered] = await until(lambda: of_type(watching, "webhook.recovered"))
    assert recovered["data"]["id"] == str(endpoint.id)

    async def offered():
        return (await seen(endpoint)).missed is None

    await until(offered)
    assert (await seen(endpoint)).circuit == "closed"
    about_itself = [each for each in ending.requests if each.document["event"].startswith("webhook.")]
    assert about_itself == []
    assert len(of_type(watching, "webhook.disabled")) == 1


async def test_one_that_fails_again_when_it_is_tried_out_is_left_alone_again(
    serve, receive, subscribe, publish, settled, seen, turn_on, until
):
    await serve(webhooks_breaker_seconds=300, webhooks_timeout_seconds=1.5)
    receiver = await receive((500, {"webhook-delivery": "disable"}))
    endpoint = await subscribe(receiver.url)
    await settled(endpoint, await publish(), "failed")

    async def off():
        return not (await seen(endpoint)).active

    await until(off)
    receiver.answer = lambda _request: 503
    await turn_on(endpoint)
    for _ in range(10):
        await publish()

    async def held():
        return (await seen(endpoint)).circuit == "open"

    await until(held)
    assert len(receiver.requests) == 2, "one attempt has tried it out"
