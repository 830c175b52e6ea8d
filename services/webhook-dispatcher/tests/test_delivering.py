"""From the stream to the receiver and the attempt log: what each answer leads to."""

import asyncio
import socket

import pytest
from standardwebhooks import Webhook

from flowtask_contracts.commands import DeleteEndpoint, GetDelivery, ListDeliveries, RetryDelivery, UpdateEndpoint
from flowtask_contracts.errors import Conflict, NotFound
from flowtask_kit.ids import new_id


@pytest.fixture(autouse=True)
async def served(serve):
    return await serve(webhooks_timeout_seconds=1.5, webhooks_breaker_failures=1000)  # the circuit has tests of its own


async def test_an_event_arrives_signed_once_and_is_on_record(
    receive, subscribe, publish, settled, unacknowledged, until
):
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    event = await publish("task.created", changes={"title": {"from": "a", "to": "b"}})
    found = await settled(endpoint, event, "delivered")
    [request] = receiver.requests
    assert Webhook(endpoint.secret).verify(request.body, request.headers)["id"] == str(event)
    assert request.headers["x-flowtask-event"] == "task.created"
    assert request.headers["x-flowtask-delivery"] == str(found.id) == request.document["deliveryId"]
    assert request.document["changes"] == {"title": {"from": "a", "to": "b"}}
    assert found.payload == request.document
    [attempt] = found.attempt_log
    assert (attempt.number, attempt.trigger, attempt.status_code, attempt.response_body) == (1, "schedule", 200, "body")
    assert found.next_attempt_at is None

    async def all_acknowledged():
        return await unacknowledged() == 0

    await until(all_acknowledged)


async def test_each_endpoint_gets_what_it_subscribed_to(receive, subscribe, publish, until):
    tasks, everything, stranger = await receive(), await receive(), await receive()
    await subscribe(tasks.url, ["task.*"])
    await subscribe(everything.url, ["*"])
    await subscribe(stranger.url, ["*"], workspace_id=new_id())
    ids = [str(await publish(kind)) for kind in ("task.created", "project.created", "task.spun")]
    await until(lambda: len(everything.requests) == 3 and len(tasks.requests) == 2)
    assert everything.ids() == ids
    assert tasks.ids() == [ids[0], ids[2]]
    assert stranger.requests == []


async def test_types_that_this_version_does_not_know_are_forwarded(receive, subscribe, publish, until):
    receiver = await receive()
    await subscribe(receiver.url, ["*"])
    event = await publish("task.teleported", data={"where": "elsewhere"})
    await until(lambda: receiver.requests)
    assert receiver.requests[0].document["event"] == "task.teleported"
    assert receiver.requests[0].document["data"] == {"where": "elsewhere"}
    assert receiver.ids() == [str(event)]


async def test_what_may_pass_is_tried_again_on_schedule_with_the_same_bytes_and_ids(
    receive, subscribe, publish, settled
):
    statuses = (500, 503, 408, 425, 429)

    def twice_bad(request):
        return request.document["data"]["status"] if len(receiver.of(request.event_id)) < 3 else 204

    receiver = await receive(twice_bad)
    endpoint = await subscribe(receiver.url)
    events = [await publish(data={"status": status}) for status in statuses]
    for event, status in zip(events, statuses, strict=True):
        found = await settled(endpoint, event, "delivered")
        first, second, third = receiver.of(event)
        assert 1.0 <= second.at - first.at < 5, "the first wait, and not the second, however busy the machine is"
        assert 5.0 <= third.at - second.at < 25
        assert first.body == second.body == third.body
        for header in ("x-flowtask-signature", "x-flowtask-delivery"):
            assert first.headers[header] == second.headers[header] == third.headers[header]
        assert [attempt.status_code for attempt in found.attempt_log] == [status, status, 204]


async def test_what_cannot_pass_is_final_and_redirects_are_not_followed(receive, subscribe, publish, settled):
    statuses = (400, 401, 404, 422, 301, 302, 307, 308)
    receiver = await receive(lambda request: request.document["data"]["status"])
    endpoint = await subscribe(receiver.url)
    for event, status in [(await publish(data={"status": status}), status) for status in statuses]:
        found = await settled(endpoint, event, "failed")
        assert found.next_attempt_at is None
        assert [attempt.status_code for attempt in found.attempt_log] == [status]
        assert len(receiver.of(event)) == 1


async def test_nobody_listening_is_told_and_tried_again(subscribe, publish, delivery, until):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = await subscribe(f"http://127.0.0.1:{unused.getsockname()[1]}/")
        event = await publish()

        async def tried_twice():
            found = await delivery(endpoint, event)
            return found if found and found.attempts == 2 else None

        found = await until(tried_twice)
    assert [attempt.error for attempt in found.attempt_log] == [
        "The connection was refused: nothing listens at the receiver's port."
    ] * 2
    assert found.status == "pending"
    assert found.next_attempt_at is not None


async def test_a_receiver_that_does_not_answer_in_time_is_tried_again(receive, subscribe, publish, settled):
    async def hang_once(_request):
        if len(receiver.requests) == 1:
            await asyncio.sleep(60)
        return 200

    receiver = await receive(hang_once)
    endpoint = await subscribe(receiver.url)
    event = await publish()
    found = await settled(endpoint, event, "delivered")
    first, second = found.attempt_log
    assert first.error == "No answer came in time."
    assert 1450 <= first.duration_ms < 2500
    assert second.status_code == 200
    assert receiver.requests[0].body == receiver.requests[1].body
    assert receiver.requests[1].at - receiver.requests[0].at >= 2.5


async def test_a_private_address_behind_a_url_is_refused_at_the_connection_and_said_in_the_log(
    serve, served, receive, subscribe, publish, settled
):
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    await served.stop()
    await serve(webhooks_allow_private_networks="", webhooks_timeout_seconds=1.5)
    event = await publish()
    found = await settled(endpoint, event, "failed")
    [attempt] = found.attempt_log
    assert attempt.error == "Webhooks may not go to the address 127.0.0.1: loopback (RFC 1122)."
    assert attempt.status_code is None
    assert receiver.requests == []


async def test_an_endpoint_whose_url_this_installation_no_longer_allows_is_not_sent_to(
    serve, served, receive, subscribe, publish, settled
):
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    await served.stop()
    await serve(webhooks_allow_http=False)
    event = await publish()
    found = await settled(endpoint, event, "failed")
    assert found.attempt_log[0].error == "Webhooks cannot be sent to this URL."
    assert receiver.requests == []


async def test_a_message_that_is_not_an_event_is_kept_apart_and_the_next_goes_out(
    receive, subscribe, publish, rows_of, until, unacknowledged
):
    receiver = await receive()
    await subscribe(receiver.url)
    await publish(payload=b"not json", subject="events.task.created")
    await publish("task.created", type="task\r\nX-Injected: yes")
    await publish("task.created", workspaceid="nobody")
    event = await publish()
    await until(lambda: receiver.requests)
    assert receiver.ids() == [str(event)]

    async def all_acknowledged():
        return await unacknowledged() == 0

    await until(all_acknowledged)
    kept = await rows_of("unreadable_messages")
    assert [row["error"].partition(":")[0] for row in kept] == [
        "it is not JSON",
        "its `type` is not a printable string",
        "its `workspaceid` is not a UUID",
    ]
    assert bytes(kept[0]["payload"]) == b"not json"


async def test_a_retry_by_hand_adds_an_attempt_to_any_delivery(
    receive, subscribe, publish, settled, ask, workspace, until
):
    status = 404
    receiver = await receive(lambda _request: status)
    endpoint = await subscribe(receiver.url)
    event = await publish()
    failed = await settled(endpoint, event, "failed")

    async def retry():
        return await ask(RetryDelivery(workspace_id=workspace, command_id=new_id(), delivery_id=failed.id))

    async def after(attempts):
        async def done():
            found = await ask(GetDelivery(workspace_id=workspace, delivery_id=failed.id))
            return found if found.attempts == attempts else None

        return await until(done)

    answer = await retry()
    assert (answer.status, answer.next_attempt_at is not None) == ("pending", True)
    again = await after(2)
    assert (again.status, again.attempt_log[1].trigger) == ("failed", "manual")
    status = 200
    await retry()
    assert (await after(3)).status == "delivered"
    status = 500
    await retry()
    last = await after(4)
    assert (last.status, last.next_attempt_at) == ("delivered", None)
    assert [attempt.status_code for attempt in last.attempt_log] == [404, 404, 200, 500]
    assert len({request.body for request in receiver.requests}) == 1


async def test_a_retry_of_a_pending_delivery_goes_now_and_leaves_its_schedule(
    receive, subscribe, publish, delivery, ask, workspace, until
):
    receiver = await receive(500)
    endpoint = await subscribe(receiver.url)
    event = await publish()

    async def with_attempts(number):
        async def done():
            found = await delivery(endpoint, event)
            return found if found and found.attempts == number else None

        return await until(done)

    planned = await with_attempts(2)
    begun = asyncio.get_running_loop().time()
    await ask(RetryDelivery(workspace_id=workspace, command_id=new_id(), delivery_id=planned.id))
    found = await with_attempts(3)
    assert asyncio.get_running_loop().time() - begun < 2
    assert (found.status, found.next_attempt_at) == ("pending", planned.next_attempt_at)
    assert [attempt.trigger for attempt in found.attempt_log] == ["schedule", "schedule", "manual"]


async def test_deliveries_are_listed_by_page_filter_and_for_their_owner_only(
    receive, subscribe, publish, deliveries, settled, ask, workspace
):
    receiver = await receive(lambda request: 404 if request.document["event"] == "project.created" else 200)
    endpoint = await subscribe(receiver.url)
    events = [await publish(kind) for kind in ("task.created", "project.created", "task.updated")]
    for event, status in zip(events, ("delivered", "failed", "delivered"), strict=True):
        await settled(endpoint, event, status)
    assert [item.event_id for item in await deliveries(endpoint)] == events[::-1]
    assert [item.event_id for item in await deliveries(endpoint, status="failed")] == [events[1]]
    assert [item.event_id for item in await deliveries(endpoint, event="task.updated")] == [events[2]]
    [newest, middle, _oldest] = await deliveries(endpoint)
    assert len(await deliveries(endpoint, since=middle.created_at.replace(year=2001))) == 3
    assert await deliveries(endpoint, since=middle.created_at.replace(year=2999)) == ()
    first = await ask(ListDeliveries(workspace_id=workspace, endpoint_id=endpoint.id, limit=2))
    second = await ask(
        ListDeliveries(workspace_id=workspace, endpoint_id=endpoint.id, limit=2, cursor=first.next_cursor)
    )
    assert [item.event_id for item in first.items + second.items] == events[::-1]
    assert second.next_cursor is None
    for command in (
        GetDelivery(workspace_id=new_id(), delivery_id=newest.id),
        GetDelivery(workspace_id=workspace, delivery_id=new_id()),
        RetryDelivery(workspace_id=new_id(), command_id=new_id(), delivery_id=newest.id),
        ListDeliveries(workspace_id=new_id(), endpoint_id=endpoint.id),
    ):
        with pytest.raises(NotFound):
            await ask(command)


async def test_an_inactive_endpoint_gets_nothing_and_what_was_due_goes_out_when_it_is_active_again(
    receive, subscribe, publish, ask, workspace, until
):
    receiver = await receive(lambda _request: 500 if len(receiver.requests) == 1 else 200)
    endpoint = await subscribe(receiver.url)
    other = await receive()
    await subscribe(other.url)

    async def switch(active):
        await ask(UpdateEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id, active=active))

    due = await publish()
    await until(lambda: len(receiver.requests) == 1)
    await switch(active=False)
    missed = await publish()
    await until(lambda: str(missed) in other.ids())
    await asyncio.sleep(1.5)  # past the time of the second try
    assert len(receiver.requests) == 1
    await switch(active=True)
    await until(lambda: len(receiver.of(due)) == 2)
    assert receiver.of(missed) == []


async def test_deleting_an_endpoint_while_events_flow_cancels_what_is_due_and_history_stays(
    receive, subscribe, publish, ask, workspace, until, deliveries, rows_of
):
    receiver = await receive(lambda _request: 500 if len(receiver.requests) <= 20 else 200)
    endpoint = await subscribe(receiver.url)
    await asyncio.gather(*(publish() for _ in range(20)))
    await until(lambda: len(receiver.requests) >= 20)
    flow = asyncio.gather(*(publish() for _ in range(30)))
    await ask(DeleteEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id))
    await flow
    after = await publish()

    async def nothing_is_pending():
        found = await deliveries(endpoint, limit=100)
        return found if {item.status for item in found} <= {"cancelled", "delivered"} else None

    found = await until(nothing_is_pending)
    assert await rows_of("due") == []
    assert sum(item.status == "cancelled" for item in found) >= 15
    assert receiver.of(after) == []
    with pytest.raises(Conflict, match="was deleted"):
        await ask(RetryDelivery(workspace_id=workspace, command_id=new_id(), delivery_id=found[0].id))


async def test_a_new_url_and_secret_hold_for_what_is_still_due(
    receive, subscribe, publish, ask, workspace, settled, until
):
    old, new = await receive(500), await receive()
    endpoint = await subscribe(old.url)
    event = await publish()
    await until(lambda: old.requests)
    await ask(UpdateEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id, url=new.url))
    await settled(endpoint, event, "delivered")
    assert new.requests[0].body == old.requests[0].body


async def test_an_event_whose_endpoint_was_made_just_before_always_arrives(receive, subscribe, publish, until):
    receiver = await receive()
    for _ in range(25):
        workspace_id = new_id()
        await subscribe(receiver.url, workspace_id=workspace_id)
        event = await publish(workspace_id=workspace_id)
        await until(lambda event=event: receiver.of(event), 5)
    assert len(receiver.requests) == 25
