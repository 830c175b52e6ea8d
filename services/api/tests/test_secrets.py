"""No secret leaves the process except in the one answer that shows it: the program itself, with all that it says."""

import asyncio
import re
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from uuid import UUID

import httpx2
import nats
import orjson
import pytest

from flowtask_contracts.base import rfc3339
from flowtask_kit.ids import new_id, utc_now

HOOK = {"url": "https://example.com/hook", "events": ["*"]}
OWN = [f"whsec_{b64encode(bytes((7 * n + m * m) % 251 for m in range(32))).decode()}" for n in range(1, 3)]
"""Secrets that people choose for their webhooks."""
WEAK = f"whsec_{b64encode(b'5ec3e7' * 6).decode()}"
"""One that is refused."""
STRAY = "ft_" + "5ec3e7" * 10 + "beef"
"""A key that exists nowhere, and is sent where keys do not belong."""


class Collector(BaseHTTPRequestHandler):
    """Takes what an OpenTelemetry exporter sends, as it is."""

    def do_POST(self):
        self.server.received.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def collector():
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        server.received = []
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def nats_url(nats_server):
    return nats_server.url()


@pytest.fixture
async def program(serve, collector):
    return await serve(
        FLOWTASK_LOG_LEVEL="debug",
        FLOWTASK_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.server_port}",
        FLOWTASK_RATE_LIMITS='{"FREE": [1000, 1000]}',
        PYTHONASYNCIODEBUG="1",
    )


@pytest.fixture
async def dispatcher(nats_server):
    """Answers every command with an endpoint and a new secret, and now and then with what cannot be read."""
    connection = await nats.connect(nats_server.url())
    secrets: list[str] = []

    async def answer(message):
        secrets.append(f"whsec_{'c2VjcmV0' * 4}{len(secrets):04}")
        whole = {
            **HOOK,
            **dict.fromkeys(("id", "createdBy"), str(new_id())),
            **dict.fromkeys(("createdAt", "updatedAt"), rfc3339(utc_now())),
            "description": None,
            "active": True,
            "secret": secrets[-1],
        }
        replies = [{"data": whole}, {"data": {"secret": secrets[-1]}}, {"data": whole, "error": secrets[-1]}]
        await message.respond(orjson.dumps(replies[(len(secrets) - 1) % 3]))

    await connection.subscribe("commands.webhook-dispatcher.>", cb=answer)
    await connection.flush()
    yield secrets
    await connection.close()


async def misplaced(url, key):
    """Send a key in every wrong place."""
    bearer = {"authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=url) as client:
        for request in (
            client.get("/api/v1/me", headers={"authorization": key}),
            client.get("/api/v1/me", headers={"authorization": f"Basic {key}"}),
            client.get("/api/v1/me", headers={"authorization": f"Bearer {key}x"}),
            client.get("/api/v1/me", headers={"x-api-key": key, "cookie": f"key={key}", "x-request-id": key}),
            client.get("/api/v1/me", headers={"traceparent": key, "tracestate": f"a={key}", "baggage": f"a={key}"}),
            client.get("/api/v1/me", headers={"x-forwarded-for": key, "forwarded": key, "user-agent": key}),
            client.get(f"/api/v1/tasks?api_key={key}", headers=bearer),
            client.get(f"/api/v1/tasks?{key}=1&cursor={key}", headers=bearer),
            client.get(f"/api/v1/tasks/{key}", headers=bearer),
            client.get(f"/{key}", headers=bearer),
            client.get(f"/readyz?key={key}"),
            client.post("/api/v1/tasks", headers=bearer, json={key: key, "title": [key]}),
            client.post("/api/v1/tasks", headers=bearer | {"content-type": key}, content=key),
            client.post("/api/v1/tasks", headers=bearer | {"if-match": key}, json={"title": "T"}),
            client.post("/api/v1/api-keys", headers=bearer, json={"name": "K", "scopes": [key]}),
            client.patch(f"/api/v1/api-keys/{UUID(int=1)}", headers=bearer, json={"expiresAt": key}),
            client.get("/api/v1/audit-log", headers=bearer, params={"action": key, "cursor": key}),
        ):
            await request
    for raw in (
        f"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nBad Header: {key}\r\n\r\n",
        f"GET /{key} HTTP/9.9\r\nAuthorization: Bearer {key}\r\n\r\n",
        f"{key} / HTTP/1.1\r\nHost: x\r\n\r\n",
        f"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 500\r\n\r\n{key}",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(raw.encode())
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 10)
        writer.close()


async def failing(client, db):
    """Requests that end as 500 while a table is away."""
    for table, path, body in (
        ("tasks", "/api/v1/tasks", {"title": "T"}),
        ("api_keys", f"/api/v1/api-keys/{UUID(int=1)}/rotate", {}),
        ("audit_entries", "/api/v1/api-keys", {"name": "K"}),
        ("idempotency_keys", "/api/v1/api-keys", {"name": "K"}),
    ):
        await db.execute(f"ALTER TABLE api.{table} RENAME TO away")
        try:
            answer = await client.post(path, json=body, headers={"Idempotency-Key": "f"})
            assert answer.status_code == 500, answer.text
        finally:
            await db.execute(f"ALTER TABLE api.away RENAME TO {table}")


async def with_webhooks(client):
    """Secrets that come from the dispatcher, and that go to it; its answers make sense one time in three."""
    first, second = OWN
    where = f"/api/v1/webhooks/{UUID(int=2)}"
    requests = (
        *(("POST", "/api/v1/webhooks", body) for body in (HOOK, {**HOOK, "secret": first}, HOOK)),
        *(("POST", f"{where}/rotate-secret", body) for body in ({"secret": second}, {}, {"secret": second})),
        *(("GET", f"{where}/secret", None) for _ in range(3)),
        *(("DELETE", f"{where}/secret/previous", None) for _ in range(3)),
        *(("PATCH", where, {"headers": {"Authorization": value}}) for value in OWN),
        ("PATCH", where, {"headers": {"Host": first, "X-A": f"{second}\n"}}),
        ("PATCH", where, {"headers": {"X-A": [second]}}),
        ("POST", "/api/v1/webhooks", {**HOOK, "secret": WEAK}),
        ("POST", f"{where}/rotate-secret", {"secret": WEAK}),
        ("POST", f"{where}/rotate-secret", {"secret": [second]}),
        ("POST", f"{where}/rotate-secret", {"secret": second, "overlapSeconds": second}),
        ("PATCH", where, {"secret": second}),
    )
    answers = [
        await client.request(method, path, json=body, headers={} if method == "GET" else {"Idempotency-Key": f"h{n}"})
        for n, (method, path, body) in enumerate(requests)
    ]
    assert [each.status_code for each in answers] == [
        201,
        *[503] * 2,
        200,
        200,
        503,
        200,
        200,
        503,
        204,
        204,
        503,
        200,
        503,
        *[400] * 7,
    ]
    refused = "".join(each.text for each in answers if each.status_code >= 400)
    assert not any(secret.removeprefix("whsec_") in refused for secret in (*OWN, WEAK))


async def test_no_secret_is_in_logs_traces_metrics_or_tables(program, collector, dispatcher, account, db):
    url, keys = program.url, [account.key, STRAY, *OWN, WEAK]
    async with httpx2.AsyncClient(base_url=url, headers=account.headers) as client:
        for number in range(2):
            made = await client.post("/api/v1/api-keys", json={"name": "K"}, headers={"Idempotency-Key": "made"})
            if number == 0:
                key = made.json()["data"]
                keys.append(key["key"])
        renewed = await client.post(f"/api/v1/api-keys/{key['id']}/rotate", headers={"Idempotency-Key": "renewed"})
        keys.append(renewed.json()["data"]["key"])
        await client.patch(f"/api/v1/api-keys/{key['id']}", json={"name": "L"})
        await with_webhooks(client)
        await failing(client, db)
        for key in (account.key, STRAY):
            await misplaced(url, key)
        metrics = (await client.get("/metrics")).content
    said = await program.end()

    assert said.count(b'"status":500') >= 4
    assert said.count(b"Traceback") >= 5
    traced = b"".join(collector.received)
    assert b"commands.webhook-dispatcher.create-endpoint" in traced
    kept = [
        row.encode()
        for table in ("outbox", "audit_entries", "idempotency_keys", "command_records", "api_keys", "tasks")
        for (row,) in await db.fetch(f"SELECT t::text FROM api.{table} AS t")  # noqa: S608 - named above
    ]
    kept += [row["body"] for row in await db.fetch("SELECT body FROM api.idempotency_keys WHERE body IS NOT NULL")]
    kept += [row["payload"] for row in await db.fetch("SELECT payload FROM api.outbox")]
    assert len(kept) > 6
    assert len(dispatcher) == 14
    everything = {"logs": said, "traces": traced, "metrics": metrics, "tables": b"\n".join(kept)}
    for place, text in everything.items():
        for secret in (*keys, *dispatcher):
            core = secret.partition("_")[2].encode()
            assert core not in text, (place, [line for line in text.splitlines() if core in line][:3])
    assert re.search(rb"ft_\*{4}", said), "the masking is what kept the request id out"
