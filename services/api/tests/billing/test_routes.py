import pytest

SUBSCRIPTION = {"plan": "FREE", "status": "active", "currentPeriodEnd": None, "cancelAtPeriodEnd": False}


@pytest.fixture
def nats_url(nats_server):
    return nats_server.url()


@pytest.fixture
async def billing(other_service):
    return await other_service("billing")


async def test_the_subscription_of_the_workspace_is_shown(client, account, billing):
    subscription = {"workspaceId": str(account.workspace_id), **SUBSCRIPTION}
    billing.answers["subscription"] = subscription
    answer = await client.get("/api/v1/billing/subscription")
    assert answer.json() == {"data": subscription, "meta": None, "error": None}
    assert billing.asked == [("subscription", {"workspaceId": str(account.workspace_id)})]


async def test_the_subscription_is_for_admins(billing, make_member, client, stranger):
    member = await make_member("member")
    assert (await client.get("/api/v1/billing/subscription", headers=member.headers)).status_code == 403
    assert (await stranger.get("/api/v1/billing/subscription")).status_code == 401
    assert billing.asked == []
