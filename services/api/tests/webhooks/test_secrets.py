"""Showing and changing the secrets of webhooks, with an answering service on a live NATS."""

import base64
from random import Random

import pytest

from flowtask_contracts.base import rfc3339
from flowtask_contracts.commands.webhook_secrets import NoPreviousSecret, OverlapUnderWay
from flowtask_contracts.errors import NotFound, ServiceUnavailable
from flowtask_kit.ids import new_id, utc_now

WEBHOOK = str(new_id())
WHERE = f"/api/v1/webhooks/{WEBHOOK}"
HOOK = {"url": "https://example.com/hook", "events": ["task.*"]}
UNTIL = rfc3339(utc_now())


def drawn(length):
    """The same random bytes in every run, for they are in the names of tests."""
    return Random(length).randbytes(length)  # noqa: S311 - and so they need not be secret


def whsec(key):
    return "whsec_" + base64.b64encode(key).decode()


OWN = whsec(drawn(32))
SHOWN = {"secret": OWN, "secretShown": False, "previousSecretUntil": UNTIL}


@pytest.fixture
async def dispatcher(other_service):
    answering = await other_service("webhook-dispatcher")
    answering.answers |= {
        "get-endpoint-secret": {**SHOWN, "previousSecretUntil": None},
        "rotate-endpoint-secret": SHOWN,
        "end-endpoint-overlap": {},
    }
    return answering


async def entries(client):
    return (await client.get("/api/v1/audit-log")).json()["data"]


def key(value="k"):
    return {"Idempotency-Key": value}


async def test_a_secret_is_shown_to_admins_and_each_reading_is_in_the_audit_log(client, account, dispatcher):
    for _ in range(2):
        shown = await client.get(f"{WHERE}/secret")
        assert shown.status_code == 200
        assert shown.headers["cache-control"] == "no-store"
        assert "etag" not in shown.headers
        assert shown.json() == {"data": {"secret": OWN, "previousSecretUntil": None}, "meta": None, "error": None}
    assert dispatcher.asked[-1][0] == "get-endpoint-secret"
    assert dispatcher.last["workspaceId"] == str(account.workspace_id)
    told = await entries(client)
    assert [entry["action"] for entry in told] == ["webhook.secret_shown"] * 2
    for entry in told:
        assert (entry["targetId"], entry["outcome"], entry["details"]) == (WEBHOOK, "done", {})
        assert entry["actorId"] == str(account.user_id)
        assert entry["keyId"]


async def test_the_entry_of_a_reading_is_committed_before_the_secret_is_asked_for(client, dispatcher, account, db):
    async def look():
        rows = await db.fetch(
            "SELECT action, outcome, target_id::text FROM api.audit_entries WHERE workspace_id = $1",
            account.workspace_id,
        )
        seen.append([tuple(row) for row in rows])

    seen = []
    dispatcher.before = look
    assert (await client.get(f"{WHERE}/secret")).status_code == 200
    assert seen == [[("webhook.secret_shown", "requested", WEBHOOK)]]


async def test_a_secret_that_was_not_shown_is_no_reading_and_one_that_perhaps_was_is(client, dispatcher):
    dispatcher.answers["get-endpoint-secret"] = NotFound("Webhook not found")
    assert (await client.get(f"{WHERE}/secret")).status_code == 404
    assert await entries(client) == []
    dispatcher.answers["get-endpoint-secret"] = ServiceUnavailable("cannot be read")
    assert (await client.get(f"{WHERE}/secret")).status_code == 503
    assert [entry["outcome"] for entry in await entries(client)] == ["requested"]


async def test_nobody_reads_a_secret_while_it_cannot_be_written_down(client, dispatcher, db):
    await db.execute("ALTER TABLE api.audit_entries RENAME TO away")
    try:
        answer = await client.get(f"{WHERE}/secret")
    finally:
        await db.execute("ALTER TABLE api.away RENAME TO audit_entries")
    assert answer.status_code == 500
    assert OWN not in answer.text
    assert dispatcher.asked == []


async def test_a_key_that_only_reads_and_a_member_see_no_secret(stranger, account, make_key, make_member, dispatcher):
    readers = [await make_key(account, "webhooks:read"), (await make_member("member")).headers]
    for headers in readers:
        answer = await stranger.get(f"{WHERE}/secret", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert dispatcher.asked == []
    writer = await make_key(account, "webhooks:write")
    assert (await stranger.get(f"{WHERE}/secret", headers=writer)).json()["data"]["secret"] == OWN


@pytest.mark.parametrize(
    ("body", "asked", "told"),
    [
        (None, {"secret": None, "overlapSeconds": 86_400}, {"own": False, "overlapSeconds": 86_400}),
        ({}, {"secret": None, "overlapSeconds": 86_400}, {"own": False, "overlapSeconds": 86_400}),
        ({"overlapSeconds": 0}, {"secret": None, "overlapSeconds": 0}, {"own": False, "overlapSeconds": 0}),
        (
            {"secret": OWN, "overlapSeconds": 604_800},
            {"secret": OWN, "overlapSeconds": 604_800},
            {"own": True, "overlapSeconds": 604_800},
        ),
    ],
)
async def test_a_rotation_shows_the_new_secret_and_is_told_without_it(client, dispatcher, body, asked, told):
    answer = await client.post(f"{WHERE}/rotate-secret", json=body)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["data"] == {"secret": OWN, "previousSecretUntil": UNTIL}
    assert asked.items() <= dispatcher.last.items()
    assert dispatcher.last["endpointId"] == WEBHOOK
    [entry] = await entries(client)
    assert (entry["action"], entry["targetId"], entry["outcome"]) == ("webhook.secret_rotated", WEBHOOK, "done")
    assert entry["details"] == told


async def test_a_repeat_is_the_same_command_has_no_secret_and_another_request_is_409(client, dispatcher):
    body = {"secret": OWN, "overlapSeconds": 60}
    answers = [await client.post(f"{WHERE}/rotate-secret", json=body, headers=key()) for _ in range(2)]
    first, repeat = answers
    assert first.json()["data"] == {"secret": OWN, "previousSecretUntil": UNTIL}
    assert "idempotency-replayed" not in first.headers
    assert repeat.json()["data"] == {"secret": None, "secretShown": True, "previousSecretUntil": UNTIL}
    assert repeat.headers["idempotency-replayed"] == "true"
    assert repeat.headers["cache-control"] == "no-store"
    assert len(dispatcher.done) == 1
    for path, other in (
        (f"{WHERE}/rotate-secret", {**body, "overlapSeconds": 61}),
        (f"{WHERE}/rotate-secret", {"overlapSeconds": 60}),
        (f"/api/v1/webhooks/{new_id()}/rotate-secret", body),
    ):
        refused = await client.post(path, json=other, headers=key())
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONFLICT")
        assert OWN not in refused.text
    assert (await client.delete(f"{WHERE}/secret/previous", headers=key())).status_code == 409
    assert len(await entries(client)) == 1


async def test_the_overlap_is_ended_early_and_that_is_told(client, dispatcher):
    for _ in range(2):
        answer = await client.delete(f"{WHERE}/secret/previous", headers=key())
        assert (answer.status_code, answer.content) == (204, b"")
    assert dispatcher.asked[-1][0] == "end-endpoint-overlap"
    [entry] = await entries(client)
    assert (entry["action"], entry["targetId"]) == ("webhook.previous_secret_ended", WEBHOOK)


async def test_what_the_owner_refuses_is_told_to_the_caller_and_not_in_the_log(client, dispatcher):
    dispatcher.answers["rotate-endpoint-secret"] = OverlapUnderWay()
    dispatcher.answers["end-endpoint-overlap"] = NoPreviousSecret()
    third = await client.post(f"{WHERE}/rotate-secret", json={"secret": OWN}, headers=key())
    assert (third.status_code, third.json()["error"]["code"]) == (409, "CONFLICT")
    assert "DELETE /webhooks/{webhookId}/secret/previous" in third.json()["error"]["message"]
    none = await client.delete(f"{WHERE}/secret/previous", headers=key())
    assert (none.status_code, none.json()["error"]["message"]) == (404, "No previous secret signs for this webhook")
    assert await entries(client) == []
    dispatcher.answers["rotate-endpoint-secret"] = SHOWN
    assert (await client.post(f"{WHERE}/rotate-secret", json={"secret": OWN}, headers=key())).status_code == 200


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "hunter2-hunter2-hunter2",
        OWN.removeprefix("whsec_"),
        whsec(drawn(23)),
        whsec(drawn(65)),
        whsec(b"\x07" * 32),
        whsec(b"ab" * 16),
        whsec(bytes(range(32))),
        12345,
        ["x"],
    ],
)
async def test_a_secret_that_is_no_good_is_a_400_that_names_the_field_and_not_the_secret(client, dispatcher, secret):
    for path, body in ((f"{WHERE}/rotate-secret", {}), ("/api/v1/webhooks", HOOK)):
        answer = await client.post(path, json={**body, "secret": secret}, headers=key())
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
        [detail] = answer.json()["error"]["details"]
        assert detail["field"] == "secret"
        assert detail["message"]
        if secret:
            assert str(secret).removeprefix("whsec_") not in answer.text
    assert dispatcher.asked == []
    assert await entries(client) == []


@pytest.mark.parametrize("seconds", [-1, 604_801, 1.5, "60", True, None])
async def test_an_overlap_is_a_whole_number_of_seconds_up_to_seven_days(client, dispatcher, seconds):
    answer = await client.post(f"{WHERE}/rotate-secret", json={"overlapSeconds": seconds})
    assert answer.status_code == 400
    assert [detail["field"] for detail in answer.json()["error"]["details"]] == ["overlapSeconds"]
    assert dispatcher.asked == []


async def test_a_webhook_is_created_under_a_secret_of_ones_own(client, dispatcher):
    times = dict.fromkeys(("createdAt", "updatedAt"), rfc3339(utc_now()))
    made = {**HOOK, **times, "id": WEBHOOK, "description": None, "active": True, "createdBy": WEBHOOK}
    dispatcher.answers["create-endpoint"] = {**made, "secret": OWN}
    answer = await client.post("/api/v1/webhooks", json={**HOOK, "secret": OWN})
    assert answer.json()["data"]["secret"] == OWN
    assert dispatcher.last["secret"] == OWN
    [entry] = await entries(client)
    assert OWN not in str(entry)


PUBLIC = {
    "kty": "OKP",
    "crv": "Ed25519",
    "alg": "EdDSA",
    "use": "sig",
    "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "whpk": "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "signsUntil": UNTIL,
}


async def test_public_keys_are_shown_to_admins_as_a_key_set(client, account, dispatcher):
    dispatcher.answers["get-endpoint-public-keys"] = {"keys": [PUBLIC]}
    shown = await client.get(f"{WHERE}/public-keys")
    assert (shown.status_code, shown.json()["data"]) == (200, {"keys": [PUBLIC]})
    assert dispatcher.last == {"workspaceId": str(account.workspace_id), "endpointId": WEBHOOK}
    assert await entries(client) == []  # they are no secrets


@pytest.mark.parametrize("given", [[], ["ed25519"], ["ed25519", "hmac"], ["hmac", "hmac"], ["rsa"], "hmac", None])
async def test_what_is_no_choice_of_signatures_is_refused(client, dispatcher, given):
    refused = await client.post("/api/v1/webhooks", json={**HOOK, "signatures": given})
    assert refused.status_code == 400
    assert refused.json()["error"]["details"][0]["field"].partition("[")[0].partition(".")[0] == "signatures"
    assert not dispatcher.asked
