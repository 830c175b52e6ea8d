"""What strangers send: every writing route against everything that is not a good body."""

from uuid import UUID

import pytest

FIELDS = {
    "title": "text",
    "name": "text",
    "description": "optional text",
    "status": "enum",
    "priority": "enum",
    "dueDate": "moment",
    "projectId": "id",
    "assigneeId": "id",
    "url": "text",
    "events": "list",
    "active": "flag",
    "filter": "filter",
    "payload": "enum",
    "headers": "headers",
    "metadata": "metadata",
    "scopes": "scopes",
    "expiresAt": "moment",
}
NOT_TEXT = [1, 1.5, True, [], {}, ["x"], {"a": 1}, "\x00", "a\x00b", "x" * 30_000]
WRONG = {
    "filter": [
        *(1, True, "x", [], [{}], {}, {"a": 1}, {"all": []}, {"path": "data.x"}, {"path": "x", "eq": 1}),
        *({"path": "data.x", "gt": "soon"}, {"path": "data.x", "eq": "\x00"}, {"path": "data.x", "in": [{}]}),
        *({"path": "data." + "x" * 30_000, "eq": 1}, {"any": [{"path": "data.x", "eq": "x" * 400}] * 40}),
    ],
    "headers": [
        *(
            1,
            True,
            "x",
            [],
            None,
            {"X-A": 1},
            {"X-A": None},
            {"X-A": ""},
            {"X-A": "a\r\nX-B: c"},
            {"X A": "x"},
            {"": "x"},
        ),
        *({"Host": "x"}, {"webhook-id": "x"}, {"X-A": "x", "x-a": "y"}, {"X-A": "ä"}, {"\x00": "x"}),
        *({"X-A": "x" * 2_049}, {f"X-{number}": "x" for number in range(21)}),
    ],
    "metadata": [
        *(1, True, "x", [], None, {"a": 1}, {"a": None}, {"": "x"}, {"a": "\x00"}, {"\x00": "a"}, {"a": "x" * 501}),
        *({"x" * 41: "a"}, {str(number): "x" for number in range(51)}),
    ],
    "text": [*NOT_TEXT, None, ""],
    "optional text": NOT_TEXT,
    "enum": [*NOT_TEXT, None, "", "done", "TODO "],
    "moment": [
        *NOT_TEXT,
        "",
        "tomorrow",
        "1700000000",
        1700000000,
        1.7e9,
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:00:00+99:00",
        "0001-01-01T00:00:00+10:00",
        "9999-12-31T23:59:59-10:00",
        "99999-01-01T00:00:00Z",
    ],
    "id": [*NOT_TEXT, "", "x", "0" * 31, 12345678901234567890],
    "list": [1, True, "task.created", {}, None, [], [1], [None], [""], ["\x00"], ["x" * 101], ["task.created"] * 51],
    "scopes": [
        1,
        True,
        "admin",
        {},
        None,
        [],
        [1],
        [None],
        [""],
        ["root"],
        ["ADMIN"],
        ["tasks"],
        ["me:read"],
        ["read"] * 99,
    ],
    "flag": [0, 1, 1.0, "true", "yes", "", None, [], {}],
}
RAW = [
    b"",
    b" ",
    b"{",
    b"}",
    b"[]",
    b"[1]",
    b"null",
    b"true",
    b"1",
    b"NaN",
    b"Infinity",
    b'"text"',
    b"\xff\xfe",
    b"\xef\xbb\xbf{}x",
    b'{"title": NaN}',
    b'{"title": "\\ud800"}',
    b'{"\\ud800": 1}',
    b'{"title": "x", "\\udfff\\ud800": "x"}',
    b'{"title": "\xed\xa0\x80"}',
    b'{"title": "\xff"}',
    b'{"title": "\x01"}',
    b"{'title': 'x'}",
    b'{"title": "x",}',
    b'{"title": "x"} {}',
    b'{"\\u0000": 1}',
    b'{"unknown": "x"}',
    b'{"due_date": null}',
    b'{"title": ' + b"9" * 5000 + b"}",
    b"[" * 100_000 + b"]" * 100_000,
    b'{"title":' * 50_000 + b"1" + b"}" * 50_000,
    b'{"title": ' + b"[" * 900 + b"]" * 900 + b"}",
]


@pytest.fixture
async def targets(client):
    """Every route that reads a body, with a body that it takes."""
    task = (await client.post("/api/v1/tasks", json={"title": "T"})).json()["data"]["id"]
    project = (await client.post("/api/v1/projects", json={"name": "P"})).json()["data"]["id"]
    key = (await client.post("/api/v1/api-keys", json={"name": "K"})).json()["data"]["id"]
    hook = {"url": "https://example.com", "events": ["*"], "active": True, "description": None}
    hook |= {"filter": None, "payload": "thin", "headers": {}, "metadata": {}}
    one = {"title": "T", "description": None, "status": "TODO", "priority": "LOW", "dueDate": None}
    one |= {"projectId": None, "assigneeId": None}
    return [
        ("POST", "/api/v1/tasks", one),
        ("PUT", f"/api/v1/tasks/{task}", one),
        ("PATCH", f"/api/v1/tasks/{task}", one),
        ("POST", "/api/v1/projects", {"name": "P", "description": None}),
        ("PUT", f"/api/v1/projects/{project}", {"name": "P", "description": None}),
        ("PATCH", f"/api/v1/projects/{project}", {"name": "P", "description": None}),
        ("POST", "/api/v1/api-keys", {"name": "K", "scopes": ["read"], "expiresAt": None}),
        ("PUT", f"/api/v1/api-keys/{key}", {"name": "K", "scopes": ["read"], "expiresAt": None}),
        ("PATCH", f"/api/v1/api-keys/{key}", {"name": "K", "scopes": ["read"], "expiresAt": None}),
        ("POST", "/api/v1/webhooks", hook),
        ("PUT", f"/api/v1/webhooks/{UUID(int=1)}", hook),
        ("PATCH", f"/api/v1/webhooks/{UUID(int=1)}", hook),
    ]


def assert_400(answer, what) -> None:
    assert answer.status_code == 400, (what, answer.status_code, answer.text)
    body = answer.json()
    assert (body["data"], body["meta"]) == (None, None)
    assert body["error"]["code"] in {"VALIDATION_ERROR", "MALFORMED_JSON"}


async def test_wrong_values_are_400_and_name_their_field(client, targets):
    for method, path, good in targets:
        for field in good:
            for value in WRONG[FIELDS[field]]:
                answer = await client.request(method, path, json={**good, field: value})
                assert_400(answer, (method, path, field, str(value)[:60]))
                details = answer.json()["error"]["details"]
                assert details[0]["field"].split(".")[0] == field


async def test_bodies_that_are_none_are_400(client, targets):
    for method, path, _ in targets:
        for raw in RAW:
            answer = await client.request(method, path, content=raw, headers={"content-type": "application/json"})
            assert_400(answer, (method, path, raw[:40]))


async def test_bodies_that_are_not_declared_as_json_are_415(client, targets):
    for method, path, _ in targets:
        for declared in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
            answer = await client.request(method, path, content=b'{"title":"T"}', headers={"content-type": declared})
            assert answer.status_code == 415, (method, path, declared, answer.text)
            assert answer.json()["error"]["code"] == "UNSUPPORTED_MEDIA_TYPE"


async def test_a_body_of_10_megabytes_is_413(client, targets):
    async def trickle():
        for _ in range(10):
            yield b"x" * 1024 * 1024

    for method, path, _ in targets[:2]:
        for content in (b"x" * 10 * 1024 * 1024, trickle()):
            answer = await client.request(method, path, content=content, headers={"content-type": "application/json"})
            assert answer.status_code == 413
            assert answer.json()["error"]["code"] == "PAYLOAD_TOO_LARGE"


async def test_what_was_refused_left_nothing_behind(client, targets):
    for method, path, good in targets[:3]:
        await client.request(method, path, json={**good, "title": 1})

    assert (await client.get("/api/v1/tasks")).json()["meta"]["total"] == 1
