"""The description of the API against the code that it describes."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from fastapi.routing import APIRoute
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

from flowtask_api.documentation.downgrade import to_openapi_3_0
from flowtask_api.documentation.export import exported
from flowtask_api.documentation.openapi import document
from flowtask_api.documentation.prose import TAGS
from flowtask_contracts import errors

DOCUMENT = json.loads(exported())
TREE = {kind.code: kind for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "code")}
OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in {"get", "post", "put", "patch", "delete"}
}


def resolved(node):
    """What a reference stands for."""
    while "$ref" in node:
        target = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def answers(operation):
    return {int(status): resolved(answer) for status, answer in operation["responses"].items()}


def examples(content):
    return [content["example"]] if "example" in content else [each["value"] for each in content["examples"].values()]


def check(value, schema):
    jsonschema.Draft202012Validator(
        {**schema, "components": DOCUMENT["components"]}, format_checker=jsonschema.FormatChecker()
    ).validate(value)


def test_the_committed_description_is_current():
    committed = Path(__file__).parents[4] / "docs" / "openapi.json"
    assert committed.read_text() == exported(), "run `make documents`"


def test_the_guide_names_every_code_with_its_status():
    guide = (Path(__file__).parents[4] / "docs" / "api.md").read_text()
    for code, kind in TREE.items():
        assert f"| {kind.status} | `{code}` |" in guide


def test_it_is_openapi_3_1_and_3_0():
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    OpenAPIV30SpecValidator(to_openapi_3_0(DOCUMENT)).validate()


async def test_it_is_served_in_both_versions(stranger):
    for path, version in (("/openapi.json", "3.1"), ("/openapi-3.0.json", "3.0.3")):
        answer = await stranger.get(path)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["openapi"].startswith(version)
        assert answer.json()["info"]["title"] == "FlowTask API"
        assert answer.json()["info"]["version"] == "1.0.0"
        again = await stranger.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert (await stranger.get("/openapi.json")).json() == DOCUMENT


def test_it_says_first_what_the_api_is_for():
    first, *_ = DOCUMENT["info"]["description"].split(".")
    assert first == "Public API for managing FlowTask projects and tasks"
    for section in ("Authentication", "Rate limits", "Idempotency", "Pages", "Errors"):
        assert f"\n## {section}\n" in DOCUMENT["info"]["description"]


@pytest.mark.parametrize(
    ("public_url", "servers"),
    [
        (None, ["/api/v1", "https://flowtask.app/api/v1"]),
        ("https://api.example.com/", ["https://api.example.com/api/v1", "https://flowtask.app/api/v1"]),
        ("https://flowtask.app", ["https://flowtask.app/api/v1"]),
    ],
)
def test_the_first_server_is_the_one_that_was_asked(app, public_url, servers):
    made, _ = document(app.routes, public_url)
    assert [server["url"] for server in made["servers"]] == servers


def test_every_route_is_described_and_nothing_else(app):
    routes = {
        (method, re.sub(r"\{\w+\}", "{}", route.path_format))
        for route in app.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in route.methods
    }
    described = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", f"/api/v1{path}")) for method, path, _ in OPERATIONS.values()
    }
    assert described == routes


def test_nothing_lacks_an_example(app):
    _, missing = document(app.routes, None)
    assert not missing, "give these fields `Field(examples=[...])`"


def test_operations_have_names_of_their_own():
    count = sum(len(item) for item in DOCUMENT["paths"].values())
    assert len(OPERATIONS) == count
    assert not [name for name in OPERATIONS if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name)]


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_an_operation_is_told_in_full(name):
    method, path, operation = OPERATIONS[name]
    lacking = [part for part in ("summary", "description", "tags", "security") if not operation.get(part)]
    lacking += [f"the tag {tag} in prose.TAGS" for tag in operation.get("tags", ()) if not TAGS.get(tag)]
    lacking += [f"{each['name']}: description" for each in operation.get("parameters", ()) if not each["description"]]
    if not operation["x-codeSamples"][0]["source"].startswith("curl "):
        lacking.append("a curl sample")
    for status, answer in answers(operation).items():
        if not answer["description"]:
            lacking.append(f"{status}: description")
        if status not in {204, 304} and not examples(answer["content"]["application/json"]):
            lacking.append(f"{status}: example")
    assert not lacking, f"{method.upper()} {path} lacks {', '.join(lacking)}"


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_examples_are_what_their_schemas_say(name):
    _, _, operation = OPERATIONS[name]
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        check(content["example"], content["schema"])
    for parameter in operation.get("parameters", ()):
        if "example" in parameter:
            check(parameter["example"], parameter["schema"])
    for answer in answers(operation).values():
        for content in answer.get("content", {}).values():
            for example in examples(content):
                check(example, content["schema"])


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_refusals_are_told_as_the_error_tree_has_them(name):
    _, _, operation = OPERATIONS[name]
    told = answers(operation)
    assert {401, 429, 500, 503} <= told.keys()
    assert ("requestBody" in operation) == ({400, 408, 413, 415} <= told.keys())
    for status, answer in told.items():
        if status < 400:
            continue
        for example in examples(answer["content"]["application/json"]):
            assert TREE[example["error"]["code"]].status == status
            assert ("retryAfter" in example["error"]) == ("Retry-After" in answer["headers"])


def test_writes_take_idempotency_keys_and_versioned_things_their_tags():
    for method, path, operation in OPERATIONS.values():
        headers = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "header"}
        assert ("Idempotency-Key" in headers) == (method != "get"), path
        if path in {"/tasks/{taskId}", "/projects/{projectId}"}:
            assert headers & {"If-Match", "If-None-Match"}, path
            assert (304 if method == "get" else 412) in answers(operation)


def test_what_a_creation_answers_leads_on():
    links = answers(OPERATIONS["createTask"][2])[201]["links"]
    assert links.keys() == {"getTask", "updateTask", "patchTask", "deleteTask"}
    assert links["getTask"]["parameters"] == {"taskId": "$response.body#/data/id"}
