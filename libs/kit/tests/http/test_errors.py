import httpx2 as httpx
import pytest
from notes.app import ROUTES

from flowtask_contracts import errors
from flowtask_contracts.errors import ErrorBody, FlowTaskError, error_from
from flowtask_kit.http.shelled import Shelled

TREE = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FlowTaskError)]


@pytest.fixture
async def http():
    app = Shelled(openapi_url=None)
    app.include_router(ROUTES)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notes") as client:
        yield client


def error(answer, status, code):
    """The error of a refusal, after checking its envelope."""
    assert answer.status_code == status
    body = answer.json()
    assert body.keys() == {"data", "meta", "error"}
    assert (body["data"], body["meta"]) == (None, None)
    assert body["error"]["code"] == code
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    return body["error"]


async def test_an_answer_stands_in_the_envelope(http):
    answer = await http.get(f"/notes/{'0' * 32}?page=3")
    assert answer.json() == {
        "data": {"id": "00000000-0000-0000-0000-000000000000", "text": "3"},
        "meta": None,
        "error": None,
    }


@pytest.mark.parametrize("kind", TREE)
async def test_every_error_of_the_tree_is_answered_as_it_is(http, kind):
    answer = await http.get(f"/refuse/{kind.__name__}")
    told = error(answer, kind.status, kind.code)
    assert told == {"code": kind.code, "message": kind.message, "details": []}
    assert type(error_from(ErrorBody.model_validate(told))) is kind
    assert "retry-after" not in answer.headers
    assert ("www-authenticate" in answer.headers) == (kind.status == 401)


async def test_the_time_to_come_back_is_told_twice(http):
    answer = await http.get("/refuse/RateLimited?retry_after=7")
    assert error(answer, 429, "RATE_LIMIT_EXCEEDED")["retryAfter"] == 7
    assert answer.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({}, [{"field": "text", "message": "This field is required"}]),
        ({"text": ""}, [{"field": "text", "message": "String should have at least 1 character"}]),
        ({"text": 5}, [{"field": "text", "message": "Input should be a valid string"}]),
        ({"text": "a\x00"}, [{"field": "text", "message": "must not contain NUL characters"}]),
        ({"text": "a", "colour": "red"}, [{"field": "colour", "message": "Extra inputs are not permitted"}]),
        (
            {"text": "a", "path": {"body": "x"}},
            [
                {
                    "field": "path.body",
                    "message": "Input should be a valid integer, unable to parse string as an integer",
                }
            ],
        ),
    ],
)
async def test_what_is_wrong_is_told_field_by_field(http, body, details):
    assert error(await http.post("/notes", json=body), 400, "VALIDATION_ERROR")["details"] == details


async def test_wrong_parts_of_the_address_are_told_the_same_way(http):
    told = error(await http.get("/notes/not-an-id?page=x"), 400, "VALIDATION_ERROR")
    assert [detail["field"] for detail in told["details"]] == ["note_id", "page"]


async def test_values_are_not_repeated(http):
    assert "hunter2" not in (await http.post("/notes", json={"text": "hunter2hunter2"})).text


@pytest.mark.parametrize("field", ["text", "comment"])
async def test_a_lone_surrogate_is_refused_and_not_a_crash(http, field):
    body = b'{"text": "a", "%b": "\\ud800"}' % field.encode()
    answer = await http.post("/notes", content=body, headers={"content-type": "application/json"})
    assert [detail["field"] for detail in error(answer, 400, "VALIDATION_ERROR")["details"]] == [field]


async def test_a_field_name_that_cannot_be_written_is_refused_and_not_a_crash(http):
    answer = await http.post("/notes", content=b'{"\\ud800": 1}', headers={"content-type": "application/json"})
    assert error(answer, 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"nonsense", b"[" * 100_000, b'{"text": "\xc3"}', b""])
async def test_a_body_that_is_no_json_is_told_so(http, body):
    answer = await http.post("/notes", content=body, headers={"content-type": "application/json"})
    if body:
        error(answer, 400, "MALFORMED_JSON")
    else:
        error(answer, 400, "VALIDATION_ERROR")


async def test_an_unknown_path_or_method_is_answered_in_the_envelope(http):
    error(await http.get("/nothing"), 404, "NOT_FOUND")
    answer = await http.delete("/notes")
    error(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "OPTIONS, POST"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "MALFORMED_JSON"),
        (404, "NOT_FOUND"),
        (405, "METHOD_NOT_ALLOWED"),
        (413, "PAYLOAD_TOO_LARGE"),
    ],
)
async def test_what_the_framework_raises_keeps_its_status_and_loses_its_words(http, status, code):
    answer = await http.get(f"/status/{status}")
    error(answer, status, code)
    assert "inside" not in answer.text


@pytest.mark.parametrize(("status", "answered"), [(401, 400), (418, 400), (503, 500)])
async def test_what_the_framework_never_raises_is_still_told_apart_by_whose_fault_it_is(http, status, answered):
    error(await http.get(f"/status/{status}"), answered, "VALIDATION_ERROR" if answered == 400 else "INTERNAL_ERROR")


async def test_an_unexpected_error_shows_nothing_of_the_inside(http):
    answer = await http.get("/fail", headers={"x-request-id": "r-1"})
    error(answer, 500, "INTERNAL_ERROR")
    assert answer.headers["x-request-id"] == "r-1"
    assert "hunter2" not in answer.text
    assert "Runtime" not in answer.text


async def test_an_outage_of_ours_is_a_503_that_says_when_to_come_back(http):
    answer = await http.get("/outage")
    assert error(answer, 503, "SERVICE_UNAVAILABLE")["retryAfter"] == 2
    assert answer.headers["retry-after"] == "2"
    assert "hunter2" not in answer.text
