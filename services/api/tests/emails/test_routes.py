from uuid import UUID, uuid4

import pytest

from flowtask_contracts.base import rfc3339
from flowtask_contracts.errors import NotFound
from flowtask_kit.ids import new_id, utc_now

EMAIL = {
    "id": str(new_id()),
    "kind": "task.assigned",
    "userId": str(uuid4()),
    "to": "ada@example.com",
    "subject": "You've been assigned: Write it down",
    "resourceId": str(new_id()),
    "eventId": str(new_id()),
    "status": "sent",
    "attempts": 1,
    "transport": "capture",
    "lastError": None,
    "createdAt": rfc3339(utc_now()),
    "sentAt": rfc3339(utc_now()),
}
DETAIL = EMAIL | {"from": "FlowTask <notifications@flowtask.app>", "text": "Hello", "html": "<p>Hello</p>"}


@pytest.fixture
def nats_url(nats_server):
    return nats_server.url()


@pytest.fixture
async def mailer(other_service):
    return await other_service("mailer")


async def test_the_mails_of_the_workspace_are_listed_page_by_page(client, account, mailer):
    mailer.answers["list-emails"] = {"items": [EMAIL], "nextCursor": EMAIL["id"]}
    query = {"status": "sent", "userId": EMAIL["userId"], "resourceId": EMAIL["resourceId"], "perPage": 1}
    answer = await client.get("/api/v1/emails", params=query | {"cursor": EMAIL["id"]})

    assert answer.json() == {"data": [EMAIL], "meta": {"perPage": 1, "nextCursor": EMAIL["id"]}, "error": None}
    assert mailer.last == {
        "workspaceId": str(account.workspace_id),
        "status": "sent",
        "userId": EMAIL["userId"],
        "resourceId": EMAIL["resourceId"],
        "cursor": EMAIL["id"],
        "limit": 1,
    }


async def test_one_mail_is_shown_with_what_stands_in_it(client, account, mailer):
    mailer.answers["get-email"] = DETAIL
    answer = await client.get(f"/api/v1/emails/{EMAIL['id']}")
    assert answer.json() == {"data": DETAIL, "meta": None, "error": None}
    assert mailer.last == {"workspaceId": str(account.workspace_id), "emailId": EMAIL["id"]}

    mailer.answers["get-email"] = NotFound("Email not found")
    missing = await client.get(f"/api/v1/emails/{uuid4()}")
    assert (missing.status_code, missing.json()["error"]["message"]) == (404, "Email not found")


@pytest.mark.parametrize(
    "query", ["status=lost", "userId=me", "resourceId=1", "perPage=0", "perPage=101", "colour=red"]
)
async def test_a_wrong_filter_is_refused_before_anybody_is_asked(client, mailer, query):
    answer = await client.get(f"/api/v1/emails?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == query.partition("=")[0]
    assert mailer.asked == []


@pytest.mark.parametrize("path", ["/api/v1/emails", f"/api/v1/emails/{UUID(int=1)}"])
async def test_mails_are_for_admins(mailer, make_member, client, stranger, path):
    member = await make_member("member")
    assert (await client.get(path, headers=member.headers)).status_code == 403
    assert (await stranger.get(path)).status_code == 401
    assert mailer.asked == []
