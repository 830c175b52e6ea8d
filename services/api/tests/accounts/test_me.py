import asyncio
from itertools import pairwise

import pytest

ME = "/api/v1/me"


async def test_everybody_begins_in_utc_and_english(client):
    me = (await client.get(ME)).json()["data"]
    assert (me["timeZone"], me["locale"]) == ("UTC", "en")


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_a_change_takes_what_was_sent_and_tells_it_once(client, account, told, method):
    body = {"name": "Ada Lovelace", "timeZone": "Europe/London", "locale": "en-GB"}
    answer = await client.request(method, ME, json=body)

    assert answer.status_code == 200
    assert body.items() <= answer.json()["data"].items()
    assert answer.json()["data"]["email"] == account.email
    again = await client.request(method, ME, json=body)
    assert again.headers["etag"] == answer.headers["etag"]
    (event,) = [event for event in await told(account.workspace_id, "user") if event["type"] == "user.updated"]
    assert event["aggregateversion"] == 2
    assert event["subject"] == str(account.user_id)
    assert event["data"]["name"] == "Ada Lovelace"
    assert event["changes"] == {
        "name": {"from": "Ada", "to": "Ada Lovelace"},
        "timeZone": {"from": "UTC", "to": "Europe/London"},
        "locale": {"from": "en", "to": "en-GB"},
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "),
        ("name", None),
        ("timeZone", "Mars/Olympus"),
        ("timeZone", "../etc/passwd"),
        ("timeZone", "Europe"),
        ("timeZone", "europe/berlin"),
        ("timeZone", "+02:00"),
        ("timeZone", ""),
        ("locale", "english"),
        ("locale", "en_GB"),
        ("locale", "e"),
        ("locale", "en-"),
        ("email", "eve@example.com"),
    ],
)
async def test_what_is_none_is_refused_by_its_name(client, field, value):
    answer = await client.patch(ME, json={field: value})
    assert answer.status_code == 400
    assert field in [detail["field"] for detail in answer.json()["error"]["details"]]


@pytest.mark.parametrize("locale", ["de", "de-AT", "zh-Hant-TW", "es-419", "sl-rozaj", "de-1996", "ast"])
async def test_language_tags_are_taken_as_they_are_written(client, locale):
    assert (await client.patch(ME, json={"locale": locale})).json()["data"]["locale"] == locale


async def test_whoever_changes_what_they_have_not_seen_is_refused(client):
    seen = (await client.get(ME)).headers["etag"]
    assert (await client.get(ME, headers={"If-None-Match": seen})).status_code == 304
    assert (await client.patch(ME, json={"name": "B"}, headers={"If-Match": seen})).status_code == 200
    assert (await client.patch(ME, json={"name": "C"}, headers={"If-Match": seen})).status_code == 412
    assert (await client.get(ME, headers={"If-None-Match": seen})).json()["data"]["name"] == "B"


async def test_a_change_with_a_key_takes_effect_once(client):
    headers = {"Idempotency-Key": "rename"}
    first = await client.patch(ME, json={"name": "Once"}, headers=headers)
    await client.patch(ME, json={"name": "Later"})
    second = await client.patch(ME, json={"name": "Once"}, headers=headers)
    assert (second.json(), second.headers["idempotency-replayed"]) == (first.json(), "true")
    assert (await client.get(ME)).json()["data"]["name"] == "Later"


async def test_changes_at_once_are_all_told_in_their_order(client, account, told):
    names = [f"Ada {number}" for number in range(8)]
    await asyncio.gather(*(client.patch(ME, json={"name": name}) for name in names))
    events = [event for event in await told(account.workspace_id, "user") if event["type"] == "user.updated"]
    assert [event["aggregateversion"] for event in events] == list(range(2, 10))
    for earlier, later in pairwise(events):
        assert later["changes"]["name"]["from"] == earlier["changes"]["name"]["to"]
