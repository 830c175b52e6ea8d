from uuid import uuid4

import httpx2
import pytest
from prometheus_client import REGISTRY

from flowtask_contracts.commands import GetSubscription
from flowtask_contracts.events import WorkspaceCreated, WorkspaceErased
from flowtask_contracts.resources import Erased, Plan, Subscription, SubscriptionStatus, Workspace
from flowtask_contracts.topology import BILLING_WORKSPACES
from flowtask_kit.ids import new_id, utc_now
from flowtask_local.service_world import until


def created(workspace_id):
    data = Workspace(id=workspace_id, name="Ada", personal=True, created_at=utc_now())
    return WorkspaceCreated(
        workspace_id=workspace_id, subject=workspace_id, time=data.created_at, actor="system", version=1, data=data
    )


def erased(workspace_id):
    data = Erased(id=workspace_id)
    return WorkspaceErased(
        workspace_id=workspace_id, subject=workspace_id, time=utc_now(), actor="system", version=9, data=data
    )


async def ask(world, workspace_id):
    return await world.ask(GetSubscription(workspace_id=workspace_id), Subscription)


async def test_a_new_workspace_begins_on_free_once_however_often_it_is_heard_of(world):
    await world.serve()
    workspace_id, event_id = uuid4(), new_id()
    for _ in range(3):
        await world.publish(created(workspace_id), event_id=event_id)
    await world.settled(BILLING_WORKSPACES)

    (row,) = await world.rows("SELECT * FROM billing.subscriptions")
    assert (row["workspace_id"], row["plan"], row["status"]) == (workspace_id, "FREE", "active")
    assert await ask(world, workspace_id) == Subscription(
        workspace_id=workspace_id,
        plan=Plan.FREE,
        status=SubscriptionStatus.ACTIVE,
        current_period_end=None,
        cancel_at_period_end=False,
    )


async def test_a_workspace_of_which_no_news_has_come_is_on_free_too(world):
    await world.serve()
    workspace_id = uuid4()
    answer = await ask(world, workspace_id)
    assert (answer.workspace_id, answer.plan, answer.status) == (workspace_id, Plan.FREE, SubscriptionStatus.ACTIVE)
    assert await world.rows("SELECT * FROM billing.subscriptions") == []


async def test_a_subscription_that_is_there_is_shown_and_never_begun_anew(world):
    await world.serve()
    paying = uuid4()
    await world.rows(
        "INSERT INTO billing.subscriptions VALUES ($1, 'PRO', 'past_due', now(), true, 4, now(), now())", paying
    )
    await world.publish(created(paying))
    await world.settled(BILLING_WORKSPACES)

    answer = await ask(world, paying)
    assert (answer.plan, answer.status, answer.cancel_at_period_end) == (Plan.PRO, SubscriptionStatus.PAST_DUE, True)
    assert answer.current_period_end is not None
    assert (await ask(world, uuid4())).plan is Plan.FREE, "the answer is that workspace's alone"


async def test_news_that_came_while_billing_was_down_is_heard_when_it_is_back(world):
    workspaces = [uuid4() for _ in range(30)]
    for workspace_id in workspaces:
        await world.publish(created(workspace_id))
    await world.serve()
    await world.serve()
    await world.settled(BILLING_WORKSPACES)
    rows = await world.rows("SELECT workspace_id FROM billing.subscriptions")
    assert sorted(row["workspace_id"] for row in rows) == sorted(workspaces)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_it_has_the_probes_and_metrics_of_every_service(world, path):
    app = await world.serve()
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://billing") as client:
        assert (await client.get(path)).status_code == 200


async def test_what_cannot_be_read_becomes_a_dead_letter_and_holds_nobody_up(world):
    await world.serve()
    admin = await world.client("admin")
    await admin.jetstream().publish("internal.workspace.created", b"not an event")
    fine = uuid4()
    await world.publish(created(fine))

    await until(lambda: world.rows("SELECT 1 FROM billing.subscriptions WHERE workspace_id = $1", fine))
    (failed,) = await until(lambda: world.rows("SELECT * FROM billing.failed_messages"))
    assert (failed["consumer"], failed["payload"]) == ("billing-workspaces", b"not an event")
    labels = {"consumer": "billing-workspaces", "outcome": "failed"}
    assert (REGISTRY.get_sample_value("flowtask_messages_total", labels) or 0) >= 1


@pytest.mark.parametrize(
    "order",
    [(created, erased), (erased, created), (created, erased, created, erased)],
    ids=["in order", "late", "again"],
)
async def test_a_workspace_that_is_erased_stays_so_in_whatever_order_it_is_heard_of(world, order):
    await world.serve()
    gone, stays = uuid4(), uuid4()
    await world.publish(created(stays))
    for event in order:
        await world.publish(event(gone))
        await world.settled(BILLING_WORKSPACES)
    rows = await world.rows("SELECT workspace_id FROM billing.subscriptions")
    assert [row["workspace_id"] for row in rows] == [stays]
    assert len(await world.rows("SELECT 1 FROM billing.erased_workspaces WHERE workspace_id = $1", gone)) == 1
