import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from flowtask_api.invitations import service
from flowtask_kit.database.transaction import transaction

ACCEPT = "/api/v1/invitations/accept"


def of(shared) -> str:
    return f"{shared.path}/invitations"


async def invited(shared, email, role="member"):
    answer = await shared.client.post(of(shared), json={"email": email, "role": role})
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def test_an_invitation_shows_its_token_once_and_tells_the_mailer_all_it_needs(shared, told, db):
    answer = await shared.client.post(of(shared), json={"email": "Grace@Example.com", "role": "admin"})
    made = answer.json()["data"]
    token = made["token"]

    assert answer.headers["cache-control"] == "no-store"
    assert (made["email"], made["role"], made["invitedBy"]) == ("grace@example.com", "admin", str(shared.owner.user_id))
    (listed,) = (await shared.client.get(of(shared))).json()["data"]
    assert listed == {name: value for name, value in made.items() if name != "token"}
    (event,) = await told(shared.id, "invitation")
    expected = {**made, "workspaceId": str(shared.id), "workspaceName": "Engine room", "inviterName": "Ada"}
    assert event["data"] == {name: value for name, value in expected.items() if name != "createdAt"}
    row = await db.fetchrow("SELECT * FROM api.invitations WHERE workspace_id = $1", shared.id)
    assert token not in str(row)
    assert row["expires_at"] - row["created_at"] == timedelta(days=7)


async def test_a_repeat_of_a_key_shows_no_token(shared, db):
    headers = {"Idempotency-Key": "one"}
    body = {"email": "grace@example.com"}
    first = await shared.client.post(of(shared), json=body, headers=headers)
    second = await shared.client.post(of(shared), json=body, headers=headers)
    assert second.json()["data"] == {**first.json()["data"], "token": None, "secretShown": True}
    kept = await db.fetch("SELECT body FROM api.idempotency_keys")
    assert kept
    assert not [row for row in kept if first.json()["data"]["token"].encode() in row["body"]]


async def test_the_answer_is_the_same_whether_or_not_anybody_has_the_address(shared, make_account):
    known = await make_account()
    one, other = await invited(shared, known.email), await invited(shared, "nobody@example.com")
    varying = {"id", "email", "token", "createdAt", "expiresAt"}
    assert one.keys() == other.keys()
    assert {k: v for k, v in one.items() if k not in varying} == {k: v for k, v in other.items() if k not in varying}


async def test_the_invited_come_in_once_by_their_own_address(shared, make_account, sign_in, told, calling_with):
    account, thief = await make_account(), await make_account()
    token = (await invited(shared, account.email.upper(), "admin"))["token"]

    refusals = [
        await (await sign_in(thief)).post(ACCEPT, json={"token": token}),
        await (await sign_in(account)).post(ACCEPT, json={"token": "fti_" + "0" * 64}),
        await (await sign_in(account)).post(ACCEPT, json={"token": "nonsense"}),
    ]
    async with calling_with(account) as client:  # a key acts for its person here too
        accepted = await client.post(ACCEPT, json={"token": token})
    refusals.append(await (await sign_in(account)).post(ACCEPT, json={"token": token}))

    assert accepted.status_code == 201
    assert (accepted.json()["data"]["id"], accepted.json()["data"]["role"]) == (str(shared.id), "admin")
    assert {(each.status_code, each.json()["error"]["message"]) for each in refusals} == {(404, "Invitation not found")}
    assert (await shared.client.get(of(shared))).json()["data"] == []
    event = (await told(shared.id, "membership"))[-1]
    assert (event["type"], event["subject"]) == ("membership.created", str(account.user_id))


async def test_of_many_acceptances_at_once_one_counts(shared, make_account, sign_in, told):
    account = await make_account()
    token = (await invited(shared, account.email))["token"]
    client = await sign_in(account)
    answers = await asyncio.gather(*(client.post(ACCEPT, json={"token": token}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 404, 404, 404, 404, 404]
    events = [event for event in await told(shared.id, "membership") if event["subject"] == str(account.user_id)]
    assert len(events) == 1


async def test_inviting_again_replaces_the_token(shared, make_account, sign_in):
    account = await make_account()
    first, second = await invited(shared, account.email), await invited(shared, account.email, "admin")
    client = await sign_in(account)
    assert (await client.post(ACCEPT, json={"token": first["token"]})).status_code == 404
    assert [each["id"] for each in (await shared.client.get(of(shared))).json()["data"]] == [second["id"]]
    assert (await client.post(ACCEPT, json={"token": second["token"]})).json()["data"]["role"] == "admin"
    answer = await shared.client.post(of(shared), json={"email": account.email})
    assert (answer.status_code, "member" in answer.json()["error"]["message"]) == (409, True)


async def test_what_is_revoked_or_out_of_date_opens_nothing(shared, make_account, sign_in, db):
    account = await make_account()
    client = await sign_in(account)
    revoked = await invited(shared, account.email)
    assert (await shared.client.delete(f"{of(shared)}/{revoked['id']}")).status_code == 204
    assert (await client.post(ACCEPT, json={"token": revoked["token"]})).status_code == 404
    assert (await shared.client.delete(f"{of(shared)}/{revoked['id']}")).status_code == 404

    old = await invited(shared, account.email)
    await db.execute("UPDATE api.invitations SET expires_at = now() WHERE workspace_id = $1", shared.id)
    assert (await client.post(ACCEPT, json={"token": old["token"]})).status_code == 404
    assert (await shared.client.get(of(shared))).json()["data"] == []
    assert (await shared.client.delete(f"{of(shared)}/{old['id']}")).status_code == 404


async def test_at_most_fifty_are_open_and_those_out_of_date_do_not_count(shared, db):
    answers = await asyncio.gather(
        *(shared.client.post(of(shared), json={"email": f"g{number}@example.com"}) for number in range(51))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 50 + [409]
    await db.execute("UPDATE api.invitations SET expires_at = now() WHERE workspace_id = $1", shared.id)
    await invited(shared, "one.more@example.com")
    assert await db.fetchval("SELECT count(*) FROM api.invitations WHERE workspace_id = $1", shared.id) == 1


async def test_who_may_invite_whom(shared, calling_with, neighbour):
    async with calling_with(await shared.joins("member")) as client:
        assert (await client.get(of(shared))).status_code == 403
        assert (await client.post(of(shared), json={"email": "a@example.com"})).status_code == 403
    async with calling_with(await shared.joins("admin")) as client:
        assert (await client.post(of(shared), json={"email": "a@example.com", "role": "owner"})).status_code == 403
        assert (await client.post(of(shared), json={"email": "a@example.com", "role": "admin"})).status_code == 201
    await invited(shared, "b@example.com", "owner")
    for method, path in (("GET", of(shared)), ("POST", of(shared)), ("DELETE", f"{of(shared)}/{uuid4()}")):
        assert (await neighbour.request(method, path, json={"email": "a@example.com"})).status_code == 404


async def test_a_personal_workspace_is_not_shared(client, account):
    path = f"/api/v1/workspaces/{account.workspace_id}/invitations"
    answer = await client.post(path, json={"email": "a@example.com"})
    assert answer.status_code == 409
    assert "personal workspace" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "email", ["", "a", "a@", "@b", "a b@example.com", "a@exam\nple.com", "a@b\u0000", "a@" + "b" * 300]
)
async def test_what_is_no_address_is_refused(shared, email):
    answer = await shared.client.post(of(shared), json={"email": email})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "email"


async def test_invitations_out_of_date_are_forgotten(shared, app, db):
    await invited(shared, "old@example.com")
    await invited(shared, "new@example.com")
    await db.execute("UPDATE api.invitations SET expires_at = now() WHERE email = 'old@example.com'")
    async with transaction(app.state.resources.database, app.state.resources.wake) as tx:
        assert await service.forget(tx) is False
    rows = await db.fetch("SELECT email FROM api.invitations WHERE workspace_id = $1", shared.id)
    assert [row["email"] for row in rows] == ["new@example.com"]
