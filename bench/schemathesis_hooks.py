"""What a description in OpenAPI cannot say, so that requests which are made from it are as good as they are meant to be."""

import json
import os
import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen
from uuid import uuid4

import schemathesis
from schemathesis.generation import GenerationMode

from flowtask_contracts.errors import ValidationFailed
from flowtask_contracts.webhook_filters import check

DEEPEST = 10_000
SHORTEST_SEARCH = 3


INVITATION = os.environ.get("FLOWTASK_INVITATION", "fti_" + "0" * 64)
"""What has another form than a token is refused; one that waits for the caller lets them in once, and then is not found."""


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: Any, _kwargs: dict[str, Any]) -> None:
    """Keep the key that is used, and make good requests keep the rules between their parameters."""
    if "{keyId}" in case.operation.label and case.path_parameters.get("keyId") == _own_key():
        case.path_parameters["keyId"] = str(uuid4())  # every later answer would be 401 or 403
    if case.method.upper() != case.operation.method.upper():
        case.headers.pop("X-FlowTask-Workspace", None)  # who calls is known before what is asked is looked at
    if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
        case.headers.pop("X-FlowTask-Workspace", None)  # a key has one workspace, and takes no other's name
        _come_home(case)
        if case.operation.label.endswith("/recover"):
            case.body = {"since": ""}  # without one there must be something that was missed
        if isinstance(case.body, dict):
            if case.operation.label == "POST /webhooks":  # a URL is for those who are sent to, and only for them
                case.body |= {"delivery": "push", "url": case.body.get("url") or "https://example.com"}
            _keep_rules_of_bodies(case.body)
        if case.query:
            _keep_rules(case, case.query)


def _come_home(case: Any) -> None:
    """Have paths lead into the caller's workspace, to the other member of it; whom nobody removes, for others need them."""
    if "{workspaceId}" in case.operation.label:
        case.path_parameters["workspaceId"] = _home()
    if "{userId}" in case.operation.label and not case.operation.label.startswith("DELETE"):
        case.path_parameters["userId"] = _other_member()


def _keep_rules_of_bodies(body: dict[str, Any]) -> None:
    if "url" in body:
        body["url"] = f"https://example.com/{quote(body['url'].partition('://')[2])[:1000]}"  # most names are no host
    if body.get("expiresAt"):
        body["expiresAt"] = "2999-01-01T00:00:00Z"  # only what lies in the future is one
    if body.get("secret"):
        body["secret"] = "whsec_" + b64encode(os.urandom(32)).decode()  # one that is easy to guess is refused
    if body.get("headers"):
        body["headers"] = {f"X-{number}": value[:100] for number, value in enumerate(body["headers"].values())}
    if "since" in body:
        body["since"] = (datetime.now(UTC) - timedelta(days=1)).isoformat()  # a span that is over, and still kept
        body.pop("until", None)
    if body.get("filter"):
        body["filter"] = _acceptable(body["filter"])
    if "timeZone" in body:
        body["timeZone"] = "Europe/Berlin"  # names are those of a database
    if "token" in body:
        body["token"] = INVITATION
    if "retryPolicy" in body or "retrySchedule" in body:
        body |= {
            "retryPolicy": "custom",
            "retrySchedule": [5, 60],
        }  # the one policy has waits of its own, no other takes any


def _acceptable(form: dict[str, Any]) -> dict[str, Any]:
    """The filter, unless it is deeper or larger than may be, or names a moment that is none: schemas cannot say that."""
    try:
        check(form)
    except ValidationFailed:
        return {"path": "data.title", "exists": True}
    return form


def _keep_rules(case: Any, query: dict[str, Any]) -> None:
    if "cursor" in query:
        _continue(case, query)
    if "token" in query:
        query["token"] = _asked("/sync")["data"]["nextToken"]  # tokens are opaque: one that is made up is refused
    searched = str(query.get("q", "abc")).strip()
    if len(searched) < SHORTEST_SEARCH or not re.search("[0-9A-Za-z]{2}", searched):
        query["q"] = "abc"  # blanks around it do not count; which letters beyond these do is the database's to say
    if "cursor" in query:
        query.pop("page", None)  # the two exclude each other
        query.pop("sort", None)  # and a cursor reads by time of creation only
    if int(query.get("page", 1)) * int(query.get("perPage", 20)) > DEEPEST:
        query["page"] = 1  # that deep only a cursor reads


def _continue(case: Any, query: dict[str, Any]) -> None:
    """A cursor is opaque, one that is made up is refused: this is a real one, where the list has a second page."""
    either = "page" in {each.name for each in case.operation.query}
    there = _asked(f"{case.formatted_path}?perPage=1{'&cursor=' if either else ''}")
    found = there and there["meta"]["nextCursor"]
    if found or either:
        query["cursor"] = found or ""
    else:
        del query["cursor"]  # lists that are only read by cursor know no empty one


def _asked(path: str) -> Any:
    """What the API answers to the caller; None for a refusal."""
    headers = {"Authorization": f"Bearer {os.environ['FLOWTASK_API_KEY']}"}
    try:
        with urlopen(Request(os.environ["FLOWTASK_FUZZED"] + path, headers=headers)) as answer:  # noqa: S310 - http, ours
            return json.load(answer)
    except HTTPError:
        return None


@cache
def _home() -> str:
    return str(_asked("/me")["data"]["workspaceId"])


@cache
def _other_member() -> str:
    """Somebody else of the workspace, else the caller."""
    members = [each["userId"] for each in _asked(f"/workspaces/{_home()}/members")["data"]]
    caller = _asked("/me")["data"]["id"]
    return str(next((each for each in members if each != caller), caller))


@cache
def _own_key() -> str | None:
    ending = os.environ["FLOWTASK_API_KEY"][-4:]
    return next((each["id"] for each in _asked("/api-keys?perPage=100")["data"] if each["key"][-4:] == ending), None)
