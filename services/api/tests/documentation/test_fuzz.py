"""The API tried out against its own description: a short form of `make fuzz`, always with the same seed."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import nats
import orjson
import pytest

from flowtask_contracts.base import rfc3339
from flowtask_contracts.errors import FlowTaskError, NotFound, ValidationFailed
from flowtask_contracts.events import PUBLIC_TYPES
from flowtask_kit.ids import new_id, utc_now

ROOT = Path(__file__).parents[4]
SEED = 20261122
EXAMPLES = 1


SECRET = {"secret": "whsec_x", "previousSecretUntil": None}
SENT_TEST = {
    "id": str(new_id()),
    "deliveryId": str(new_id()),
    "event": "task.created",
    "delivered": True,
    "payload": {"test": True},
    "at": rfc3339(utc_now()),
    "durationMs": 1,
    "statusCode": 204,
}
SPAN = {
    "since": "2026-11-22T10:00:00.000Z",
    "until": "2026-11-22T12:00:00.000Z",
    "statuses": ["failed"],
    "events": ["*"],
}
REPLAY = SPAN | {
    "recovery": False,
    **dict.fromkeys(("total", "done", "delivered", "failed", "skipped", "remaining"), 0),
}
OF_ANY_ENDPOINT = {
    "count-replay": {**REPLAY, "id": None, "endpointId": str(new_id()), "status": "planned"},
    "start-replay": {**REPLAY, "id": str(new_id()), "endpointId": str(new_id()), "status": "running"},
    "send-test": SENT_TEST,
    "poll-endpoint": {"items": [], "nextCursor": "AAAA", "hasMore": False},
    "send-test-to": SENT_TEST,
    "get-endpoint-public-keys": {"keys": []},
    "get-endpoint-secret": SECRET,
    "rotate-endpoint-secret": SECRET,
    "try-filter": {"examined": 0, "matched": 0, "items": []},
    "endpoint-health": {"circuit": "closed", "windows": []}
    | dict.fromkeys(("heldUntil", "disabledAt", "disabledReason")),
}


class Endpoints:
    """The service that owns webhooks, as far as its answers tell: what was created is there until it is deleted."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    def answer(self, verb: str, asked: dict[str, Any]) -> Any:
        if not self._acceptable(verb, asked):
            return ValidationFailed()
        if verb == "create-endpoint":
            fields = {name: asked[name] for name in ("url", "delivery", "events", "description", "active", "createdBy")}
            times = {"createdAt": rfc3339(utc_now()), "updatedAt": rfc3339(utc_now())}
            made = {"id": str(new_id()), **fields, **times}
            self.kept[made["id"]] = made
            return {**made, "secret": "whsec_x"}
        if verb.startswith("list-"):
            return self._listed(verb, asked)
        if verb in {"try-filter", "send-test-to"} and asked.get("endpointId") is None:
            return OF_ANY_ENDPOINT[verb]
        kept = self.kept.get(asked.get("endpointId", ""))
        if kept is None:
            return None
        if verb == "update-endpoint":
            kept |= {name: asked[name] for name in ("url", "events", "description", "active") if name in asked}
        if verb == "delete-endpoint":
            del self.kept[kept["id"]]
        return OF_ANY_ENDPOINT.get(verb, kept)

    def _listed(self, verb: str, asked: dict[str, Any]) -> Any:
        if verb == "list-endpoints":
            return {"items": list(self.kept.values())[: asked["limit"]], "nextCursor": None}
        of_nobody = asked.get("endpointId") is not None and asked["endpointId"] not in self.kept
        return None if of_nobody else {"items": [], "nextCursor": None}

    def _acceptable(self, verb: str, asked: dict[str, Any]) -> bool:
        known = {*PUBLIC_TYPES, *(f"{kind.partition('.')[0]}.*" for kind in PUBLIC_TYPES), "*"}
        good_url = re.fullmatch(r"(?i)https?://[^\s\\#]+", asked.get("url") or "https://example.com")
        known_type = not verb.startswith("send-test") or asked.get("event") in {None, *PUBLIC_TYPES}
        return good_url is not None and known_type and known.issuperset(asked.get("events") or ())


@pytest.fixture
def nats_url(nats_server):
    return nats_server.url()


@pytest.fixture
async def _others(app, nats_url, shared):
    """The other services, as far as the API can tell."""
    plan = {
        "workspaceId": str(shared.id),
        "plan": "FREE",
        "status": "active",
        "currentPeriodEnd": None,
        "cancelAtPeriodEnd": False,
    }
    answers = {
        "webhook-dispatcher": Endpoints().answer,
        "mailer": lambda verb, _: {"items": [], "nextCursor": None} if verb == "list-emails" else None,
        "billing": lambda _verb, _asked: plan,
    }
    connection = await nats.connect(nats_url)
    for service, answer in answers.items():
        await connection.subscribe(f"commands.{service}.>", cb=_answering(answer))
    await connection.flush()
    await asyncio.wait_for(app.state.resources.bus.ready.wait(), 60)
    yield
    await connection.close()


def _answering(answer):
    async def hear(message):
        told = answer(message.subject.rpartition(".")[2], orjson.loads(message.data)) or NotFound()
        if isinstance(told, FlowTaskError):
            reply = {"error": told.body.model_dump(mode="json", by_alias=True)}
        else:
            reply = {"data": told}
        await message.respond(orjson.dumps(reply))

    return hear


@pytest.mark.usefixtures("_others")
async def test_what_comes_back_is_what_the_description_says_for_good_and_bad_requests(address, shared, share, tmp_path):
    await shared.joins("member")
    elsewhere = await share()
    invited = await elsewhere.client.post(f"{elsewhere.path}/invitations", json={"email": shared.owner.email})
    caller = {"FLOWTASK_API_KEY": shared.owner.key, "FLOWTASK_INVITATION": invited.json()["data"]["token"]}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench.fuzz", f"--url={address}", f"--seed={SEED}", f"--examples={EXAMPLES}"),
        cwd=ROOT,
        env={**os.environ, **caller, "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
