"""Endpoints that are sent to in order, through the real service."""

import asyncio
import time
from collections import defaultdict
from itertools import pairwise
from uuid import uuid4

import pytest

from flowtask_contracts.commands import (
    DeleteEndpoint,
    EraseEvent,
    GetEndpoint,
    ListHeldKeys,
    RetryDelivery,
    SkipDelivery,
    UpdateEndpoint,
)
from flowtask_contracts.commands.webhook_ordering import AttemptUnderWay, HoldsUpNothing
from flowtask_contracts.errors import Conflict, NotFound
from flowtask_kit.ids import new_id, utc_now

QUICK = {"retry_policy": "custom", "retry_schedule": (1,)}
"""Two tries."""


@pytest.fixture
def update(ask, workspace):
    async def change(endpoint, **more):
        return await ask(UpdateEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id, **more))

    return change


@pytest.fixture
def held(ask, workspace):
    async def page(endpoint, **more):
        return await ask(ListHeldKeys(workspace_id=workspace, endpoint_id=endpoint.id, **more))

    return page


@pytest.fixture
def decide(ask, workspace, delivery):
    """Retry, skip, or erase the event of, a delivery."""

    async def make(kind, endpoint, event):
        named = {"workspace_id": workspace, "command_id": new_id()}
        if kind is EraseEvent:
            return await ask(EraseEvent(**named, event_id=event))
        return await ask(kind(**named, delivery_id=(await delivery(endpoint, event)).id))

    return make


@pytest.fixture
def tell(publish):
    """Events of a task, each numbered in its data; gives their ids."""

    async def send(task, numbers, project=None, kind="task.updated"):
        data = {"id": task, "projectId": project}
        return [await publish(kind, subject_id=task, data={**data, "number": number}) for number in numbers]

    return send


@pytest.fixture
def publish(publish, cloud_event):
    """With the resource that the event is of."""

    async def send(kind, *, subject_id, **more):
        event_id = new_id()
        return await publish(
            kind, event_id=event_id, payload=cloud_event(kind, event_id=event_id, subject=subject_id, **more)
        )

    return send


def numbers(receiver, task=None):
    """What came, each event once, in the order in which it came first."""
    told = [request.document["data"] for request in receiver.requests if task in (None, request.document["data"]["id"])]
    return list(dict.fromkeys((each["id"], each["number"]) for each in told))


def of(task, count):
    return [(task, number) for number in range(count)]


async def test_events_of_a_resource_arrive_one_after_another_and_resources_side_by_side(
    serve, receive, subscribe, tell, until
):
    under_way, most = defaultdict(int), defaultdict(int)

    async def slowly(request):
        task = request.document["data"]["id"]
        for each in (task, "all"):
            under_way[each] += 1
            most[each] = max(most[each], under_way[each])
        await asyncio.sleep(0.01)
        for each in (task, "all"):
            under_way[each] -= 1
        return 200

    await serve()
    receiver = await receive(slowly)
    endpoint = await subscribe(receiver.url, ordering="resource")
    assert (endpoint.ordering, endpoint.after_last_try, endpoint.ordered_since) == (
        "resource",
        "skip",
        endpoint.created_at,
    )
    tasks = [f"task-{number}" for number in range(10)]
    for number in range(20):
        for task in tasks:
            await tell(task, [number])
    await until(lambda: len(receiver.requests) >= 200)
    for task in tasks:
        assert numbers(receiver, task) == of(task, 20)
        assert most[task] == 1
    assert most["all"] > 3
    assert len(receiver.requests) == 200


async def test_the_next_one_goes_as_soon_as_the_one_before_it_is_on_record(serve, receive, subscribe, tell, until):
    await serve()
    receiver = await receive()
    await subscribe(receiver.url, ordering="resource")
    await tell("task", range(60))
    await until(lambda: len(receiver.requests) == 60)
    waits = sorted(later.at - earlier.at for earlier, later in pairwise(receiver.requests))
    assert waits[30] < 0.1  # half of them; a poll would take 0.25 s


async def test_a_delivery_that_fails_keeps_its_place_and_delays_its_own_key_alone(
    serve, receive, subscribe, tell, until, delivery, held
):
    failing = [True]
    await serve()
    receiver = await receive(
        lambda request: 500 if failing[0] and request.document["data"] | {"projectId": None} == BAD else 200
    )
    endpoint = await subscribe(receiver.url, ordering="resource", retry_policy="custom", retry_schedule=(1,) * 20)
    first, *behind = await tell("bad", range(3))
    await tell("good", range(3))
    await until(lambda: numbers(receiver, "good") == of("good", 3))
    waiting = await delivery(endpoint, behind[1])
    holding = await delivery(endpoint, first)
    assert (waiting.status, waiting.blocked_by, waiting.next_attempt_at) == ("pending", holding.id, None)
    assert (holding.status, holding.blocked_by, holding.blocks_since) == ("pending", None, None)
    [key] = (await held(endpoint)).items
    assert (key.key, key.ordering, key.delivery_id, key.event_id) == ("bad", "resource", holding.id, first)
    assert (key.status, key.waiting, key.waiting_capped, key.blocks_since) == ("pending", 2, False, None)
    assert key.since == holding.attempt_log[0].at
    failing[0] = False
    await until(lambda: numbers(receiver, "bad") == of("bad", 3))
    assert (await until_empty(held, endpoint, until)).next_cursor is None


BAD = {"id": "bad", "projectId": None, "number": 0}


async def until_empty(held, endpoint, until):
    async def empty():
        page = await held(endpoint)
        return None if page.items else page

    return await until(empty)


async def test_what_is_given_up_is_skipped_unless_it_is_to_block(serve, receive, subscribe, tell, until, settled):
    await serve()
    receiver = await receive(lambda request: 500 if request.document["data"]["number"] == 1 else 200)
    endpoint = await subscribe(receiver.url, ordering="resource", **QUICK)
    events = await tell("task", range(3))
    await until(lambda: numbers(receiver) == of("task", 3))
    assert (await settled(endpoint, events[1], "failed")).attempts == 2
    assert (await settled(endpoint, events[2], "delivered")).blocked_by is None


@pytest.fixture
async def blocked(serve, receive, subscribe, tell, settled):
    """An endpoint whose key `task` is held up by a delivery that was refused for good, with three behind it."""
    refuses = [True]
    await serve()
    receiver = await receive(
        lambda request: 400 if refuses[0] and request.document["data"] | {"projectId": None} == BAD else 200
    )
    endpoint = await subscribe(receiver.url, ordering="resource", after_last_try="block", **QUICK)
    events = await tell("bad", range(4))
    await settled(endpoint, events[0], "failed")
    await tell("good", range(2))
    return receiver, endpoint, events, refuses


async def test_what_blocks_is_shown_with_what_waits_behind_it(blocked, until, delivery, held, ask):
    receiver, endpoint, events, _ = blocked
    await until(lambda: numbers(receiver, "good") == of("good", 2))
    holding, waiting = await delivery(endpoint, events[0]), await delivery(endpoint, events[3])
    assert (waiting.status, waiting.blocked_by) == ("pending", holding.id)
    assert holding.blocks_since is not None
    assert holding.next_attempt_at is None
    page = await held(endpoint)
    [key] = page.items
    assert (key.delivery_id, key.status, key.attempts, key.waiting) == (holding.id, "failed", 1, 3)
    assert (key.blocks_since, key.last_status_code, key.next_attempt_at) == (holding.blocks_since, 400, None)
    assert numbers(receiver, "bad") == of("bad", 1)
    with pytest.raises(NotFound):
        await ask(ListHeldKeys(workspace_id=uuid4(), endpoint_id=endpoint.id))


async def test_a_key_goes_on_when_what_blocks_it_is_skipped(blocked, until, decide, settled, held):
    receiver, endpoint, events, _ = blocked
    view = await decide(SkipDelivery, endpoint, events[0])
    assert (view.status, view.blocks_since) == ("failed", None)
    begun = time.monotonic()
    await until(lambda: numbers(receiver, "bad") == of("bad", 4))
    assert time.monotonic() - begun < 2
    await settled(endpoint, events[3], "delivered")
    assert (await held(endpoint)).items == ()
    for each in events:
        with pytest.raises(Conflict, match=HoldsUpNothing.message):
            await decide(SkipDelivery, endpoint, each)


async def test_a_key_goes_on_when_what_blocks_it_is_retried_and_only_if_that_succeeds(
    blocked, until, decide, settled, delivery
):
    receiver, endpoint, events, refuses = blocked
    await decide(RetryDelivery, endpoint, events[0])
    await until(lambda: len(receiver.of(events[0])) == 2)
    again = await settled(endpoint, events[0], "failed")
    assert [attempt.trigger for attempt in again.attempt_log] == ["schedule", "manual"]
    assert again.blocks_since is not None
    assert (await delivery(endpoint, events[1])).blocked_by == again.id
    refuses[0] = False
    await decide(RetryDelivery, endpoint, events[0])
    await until(lambda: numbers(receiver, "bad") == of("bad", 4))
    assert (await settled(endpoint, events[0], "delivered")).blocks_since is None


@pytest.mark.parametrize(
    "change", [{"ordering": "none"}, {"after_last_try": "skip"}, {"ordering": "none", "after_last_try": "skip"}]
)
async def test_a_key_goes_on_when_nothing_is_to_block_it_any_more(
    blocked, until, update, held, change, settled, rows_of
):
    receiver, endpoint, events, _ = blocked
    await update(endpoint, **change)
    await until(lambda: len(numbers(receiver, "bad")) == 4)
    await settled(endpoint, events[3], "delivered")
    assert (await settled(endpoint, events[0], "failed")).blocks_since is None
    assert (await held(endpoint)).items == ()

    async def nothing_due():
        return await rows_of("due") == []

    await until(nothing_due)


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("change", [{"ordering": "none"}, {"after_last_try": "skip"}])
async def test_a_retry_by_hand_of_what_blocks_is_made_although_nothing_is_to_block_any_more(
    blocked, until, update, decide, change, refused, settled, rows_of
):
    receiver, endpoint, events, refuses = blocked
    refuses[0] = refused
    await update(endpoint, active=False)
    await decide(RetryDelivery, endpoint, events[0])
    await update(endpoint, **change)
    await update(endpoint, active=True)
    await until(lambda: len(receiver.of(events[0])) == 2)
    retried = await settled(endpoint, events[0], "failed" if refused else "delivered")
    assert [attempt.trigger for attempt in retried.attempt_log] == ["schedule", "manual"]
    await settled(endpoint, events[3], "delivered")

    async def nothing_due():
        return await rows_of("due") == []

    await until(nothing_due)


async def test_a_key_goes_on_when_the_event_that_blocks_it_is_erased(blocked, until, decide):
    receiver, endpoint, events, _ = blocked
    await decide(EraseEvent, endpoint, events[0])
    await until(lambda: numbers(receiver, "bad") == of("bad", 4), 15)


async def test_what_waits_is_cancelled_when_its_webhook_is_deleted(blocked, until, ask, workspace, rows_of):
    _, endpoint, events, _ = blocked
    await ask(DeleteEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id))

    async def gone():
        return await rows_of("due") == []

    await until(gone)
    status = {row["event_id"]: row["status"] for row in await rows_of("deliveries")}
    assert [status[event] for event in events] == ["failed", "cancelled", "cancelled", "cancelled"]


async def test_a_receiver_may_say_that_it_can_do_without_one(serve, receive, subscribe, tell, until, settled):
    await serve()
    receiver = await receive(
        lambda request: (500, {"webhook-delivery": "abort-message"}) if request.document["data"]["number"] == 0 else 200
    )
    endpoint = await subscribe(receiver.url, ordering="resource", after_last_try="block")
    events = await tell("task", range(2))
    await until(lambda: numbers(receiver) == of("task", 2))
    assert (await settled(endpoint, events[0], "failed")).blocks_since is None


async def test_held_keys_are_paged_and_skipping_is_refused_during_an_attempt(
    serve, receive, subscribe, tell, until, held, decide
):
    gate, hangs = asyncio.Event(), [False]

    async def refuse(_request):
        if hangs[0]:
            await gate.wait()
        return 400

    await serve()
    receiver = await receive(refuse)
    endpoint = await subscribe(receiver.url, ordering="resource", after_last_try="block")
    events = [(await tell(f"task-{number}", [0]))[0] for number in range(5)]

    async def all_of_them():
        return len((await held(endpoint)).items) == 5

    await until(all_of_them)
    found, cursor = [], None
    while True:
        page = await held(endpoint, limit=2, cursor=cursor)
        found += [key.event_id for key in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(found) == sorted(events)
    hangs[0] = True
    await decide(RetryDelivery, endpoint, events[0])
    await until(lambda: len(receiver.of(events[0])) == 2)
    with pytest.raises(Conflict) as refusal:
        await decide(SkipDelivery, endpoint, events[0])
    assert refusal.value.message == AttemptUnderWay.message
    assert refusal.value.retry_after
    gate.set()


async def test_projects_go_in_order_and_so_does_a_task_that_changes_its_project(
    serve, receive, subscribe, tell, until, delivery, held
):
    failing = [True]
    await serve()
    receiver = await receive(lambda request: 500 if failing[0] and request.document["data"]["id"] == "one" else 200)
    endpoint = await subscribe(receiver.url, ordering="project", retry_policy="custom", retry_schedule=(1,) * 20)
    first = (await tell("one", [0], project="A"))[0]
    behind = (await tell("two", [0], project="A"))[0]
    moved = (await tell("two", [1], project="B"))[0]
    after_it = (await tell("three", [0], project="B"))[0]
    own = (await tell("A", [0], kind="project.updated"))[0]
    await tell("alone", [0])
    await until(lambda: numbers(receiver, "alone"))
    holding = (await delivery(endpoint, first)).id
    for event in (behind, own):
        assert (await delivery(endpoint, event)).blocked_by == holding
    assert (await delivery(endpoint, moved)).blocked_by == (await delivery(endpoint, behind)).id
    assert (await delivery(endpoint, after_it)).blocked_by == (await delivery(endpoint, moved)).id
    [key] = (await held(endpoint)).items
    assert (key.key, key.ordering, key.resource_id, key.waiting) == ("A", "project", "one", 2)
    failing[0] = False
    await until(lambda: len(numbers(receiver)) == 6)
    came = [each for each in numbers(receiver) if each[0] != "alone"]
    assert came.index(("one", 0)) < came.index(("two", 0)) < came.index(("two", 1)) < came.index(("three", 0))
    assert came.index(("two", 0)) < came.index(("A", 0))


async def test_order_that_is_turned_on_holds_from_the_moment_that_is_told(
    serve, receive, subscribe, tell, until, update, ask, workspace
):
    gate = asyncio.Event()

    async def behind_the_gate(_request):
        await gate.wait()
        return 200

    await serve()
    receiver = await receive(behind_the_gate)
    endpoint = await subscribe(receiver.url)
    await tell("task", range(3))  # under way
    await until(lambda: len(receiver.requests) == 3)
    changed = await update(endpoint, ordering="resource")
    assert changed.ordered_since > utc_now()
    await tell("task", range(3, 30))
    gate.set()
    await until(lambda: len(numbers(receiver)) == 30)
    assert numbers(receiver)[3:] == [("task", number) for number in range(3, 30)]
    shown = await ask(GetEndpoint(workspace_id=workspace, endpoint_id=endpoint.id))
    assert shown.ordered_since == changed.ordered_since
    assert (await update(endpoint, ordering="project")).ordered_since > changed.ordered_since
    before = await update(endpoint, ordering="resource")
    assert before.ordered_since is not None  # resources stay in order throughout


async def test_resources_stay_in_order_while_the_ordering_changes_between_them_and_projects(
    serve, receive, subscribe, tell, until, update
):
    failing = [True]
    await serve()
    receiver = await receive(lambda _request: 500 if failing[0] else 200)
    endpoint = await subscribe(receiver.url, ordering="resource", retry_policy="custom", retry_schedule=(1,) * 20)
    await tell("task", range(3), project="P")
    await until(lambda: receiver.requests)
    await update(endpoint, ordering="project")
    await tell("task", range(3, 6), project="P")
    await update(endpoint, ordering="resource")
    await tell("task", range(6, 9), project="P")
    failing[0] = False
    await until(lambda: len(numbers(receiver)) == 9)
    assert numbers(receiver) == of("task", 9)


async def test_a_retry_by_hand_goes_outside_of_the_order_and_goes_back_to_its_place_when_it_fails(
    blocked, until, decide, delivery, settled
):
    receiver, endpoint, events, refuses = blocked
    await decide(RetryDelivery, endpoint, events[2])
    await settled(endpoint, events[2], "delivered")
    assert numbers(receiver, "bad") == [("bad", 0), ("bad", 2)]
    assert (await delivery(endpoint, events[1])).blocked_by == (await delivery(endpoint, events[0])).id
    refuses[0] = False
    await decide(RetryDelivery, endpoint, events[0])
    await until(lambda: len(numbers(receiver, "bad")) == 4)
    assert numbers(receiver, "bad") == [("bad", 0), ("bad", 2), ("bad", 1), ("bad", 3)]
    await decide(RetryDelivery, endpoint, events[1])  # long delivered: simply once more
    await until(lambda: len(receiver.of(events[1])) == 2)


async def test_what_is_due_in_order_waits_while_the_endpoint_is_off_and_goes_on_in_order(
    serve, receive, subscribe, tell, until, update, delivery
):
    off = [True]
    await serve()
    receiver = await receive(lambda _request: 503 if off[0] else 200)
    endpoint = await subscribe(receiver.url, ordering="resource", retry_policy="custom", retry_schedule=(1,) * 20)
    events = await tell("task", range(5))
    await until(lambda: receiver.requests)
    await update(endpoint, active=False)
    off[0] = False
    before = len(receiver.requests)
    await asyncio.sleep(1.5)  # a retry would have come
    assert len(receiver.requests) <= before + 1
    await update(endpoint, active=True)
    await until(lambda: len(numbers(receiver)) == 5)
    assert numbers(receiver) == of("task", 5)
    assert (await delivery(endpoint, events[0])).attempts >= 2


async def test_an_open_circuit_holds_everything_in_its_place(serve, receive, subscribe, tell, until):
    away = [True]
    await serve(webhooks_breaker_seconds=0.5, webhooks_breaker_failures=2)
    receiver = await receive(lambda _request: 500 if away[0] else 200)
    await subscribe(receiver.url, ordering="resource", retry_policy="custom", retry_schedule=(1,) * 20)
    for number in range(4):
        for task in ("a", "b", "c"):
            await tell(task, [number])
    await until(lambda: len(receiver.requests) >= 4)
    away[0] = False
    await until(lambda: len(numbers(receiver)) == 12)
    for task in ("a", "b", "c"):
        assert numbers(receiver, task) == of(task, 4)


async def test_what_ran_out_of_tries_before_the_circuit_opened_stays_behind(
    serve, receive, subscribe, tell, until, settled
):
    """Others have gone past it, or will: it has no other round."""
    away = [True]
    await serve(webhooks_breaker_seconds=0.5, webhooks_breaker_failures=3)
    receiver = await receive(lambda _request: 500 if away[0] else 200)
    endpoint = await subscribe(receiver.url, ordering="resource", **QUICK)
    events = await tell("task", range(3))
    await settled(endpoint, events[0], "failed")
    await until(lambda: len(receiver.requests) >= 3)
    away[0] = False
    await settled(endpoint, events[2], "delivered")
    await until(lambda: numbers(receiver) == of("task", 3))
    assert len(receiver.of(events[0])) == 2


async def test_order_is_kept_while_one_replica_ends_and_another_takes_over(serve, receive, subscribe, tell, until):
    first = await serve()
    await serve()
    receiver = await receive(
        lambda request: 500 if int(request.event_id[-1], 16) < 3 and len(receiver.of(request.event_id)) < 2 else 200
    )
    await subscribe(receiver.url, ordering="project", retry_policy="custom", retry_schedule=(1,) * 20)
    tasks = [f"task-{number}" for number in range(4)]
    for number in range(10):
        for each, task in enumerate(tasks):
            await tell(task, [number], project=f"project-{each % 2}")
    await until(lambda: len(numbers(receiver)) >= 10)
    await first.stop()
    for number in range(10, 15):
        for each, task in enumerate(tasks):
            await tell(task, [number], project=f"project-{each % 2}")
    await until(lambda: len(numbers(receiver)) == 60)
    for each in range(2):
        came = [(task, number) for task, number in numbers(receiver) if task in tasks[each::2]]
        assert came == [(task, number) for number in range(15) for task in tasks[each::2]]
