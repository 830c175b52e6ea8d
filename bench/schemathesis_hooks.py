"""What a description in OpenAPI cannot say, so that requests which are made from it are as good as they are meant to be."""

import json
import os
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen
from uuid import uuid4

import schemathesis
from schemathesis.generation import GenerationMode

DEEPEST = 10_000
SHORTEST_SEARCH = 3


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: Any, _kwargs: dict[str, Any]) -> None:
    """Keep the key that is used, and make good requests keep the rules between their parameters."""
    if "{keyId}" in case.operation.label and case.path_parameters.get("keyId") == _own_key(case):
        case.path_parameters["keyId"] = str(uuid4())  # every later answer would be 401 or 403
    if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
        case.headers.pop("X-FlowTask-Workspace", None)  # a key has one workspace, and takes no other's name
        if isinstance(case.body, dict):
            _keep_rules_of_bodies(case.body)
        if case.query:
            _keep_rules(case, case.query)


def _keep_rules_of_bodies(body: dict[str, Any]) -> None:
    if "url" in body:
        body["url"] = f"https://example.com/{quote(body['url'].partition('://')[2])[:1000]}"  # most names are no host
    if body.get("expiresAt"):
        body["expiresAt"] = "2999-01-01T00:00:00Z"  # only what lies in the future is one
    if "timeZone" in body:
        body["timeZone"] = "Europe/Berlin"  # names are those of a database
    if "token" in body:
        body["token"] = "fti_" + "0" * 64  # what has another form is refused, what has this one is not found


def _keep_rules(case: Any, query: dict[str, Any]) -> None:
    if query.get("cursor"):
        query["cursor"] = ""  # a cursor is opaque: one that is made up is refused
        if "page" not in {each.name for each in case.operation.query}:
            del query["cursor"]  # lists that are only read by cursor know no empty one
    query.pop("token", None)  # tokens are opaque too
    if len(str(query.get("q", "abc")).strip()) < SHORTEST_SEARCH:
        query["q"] = "abc"  # blanks around a search do not count
    if "cursor" in query:
        query.pop("page", None)  # the two exclude each other
        query.pop("sort", None)  # and a cursor reads by time of creation only
    if int(query.get("page", 1)) * int(query.get("perPage", 20)) > DEEPEST:
        query["page"] = 1  # that deep only a cursor reads


@cache
def _keys(url: str) -> dict[str, str]:
    key = os.environ["FLOWTASK_API_KEY"]
    asked = Request(f"{url}/api-keys?perPage=100", headers={"Authorization": f"Bearer {key}"})  # noqa: S310 - http, ours
    with urlopen(asked) as answer:  # noqa: S310 - the same
        return {each["key"][-4:]: each["id"] for each in json.load(answer)["data"]}


def _own_key(case: Any) -> str | None:
    parts = urlsplit(case.operation.base_url)
    return _keys(f"{parts.scheme}://{parts.netloc}/api/v1").get(os.environ["FLOWTASK_API_KEY"][-4:])
