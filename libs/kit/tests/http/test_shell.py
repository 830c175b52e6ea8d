"""What the shell does to every request, seen without a network."""

import gzip

import httpx2 as httpx
import pytest
from notes.app import ROUTES
from starlette.responses import Response

from flowtask_kit.http.cors import Cors
from flowtask_kit.http.envelope import JsonResponse
from flowtask_kit.http.middleware import RequestShell
from flowtask_kit.http.policy import Policy
from flowtask_kit.http.shelled import Shelled

APP, OTHER = "https://app.example.com", "https://evil.example.com"
CORS = Cors([APP], methods=["GET", "PUT"], headers=["Authorization"], exposed=["ETag"])


def calling(policy):
    app = Shelled(policy, openapi_url=None)
    app.include_router(ROUTES)

    @app.get("/sized/{size}")
    async def sized(size: int) -> Response:
        return JsonResponse("x" * (size - 2))

    @app.get("/headed")
    async def headed(name: str, value: str) -> Response:
        return JsonResponse("x" * 5000, headers={name: value})

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notes")


@pytest.fixture
async def http():
    async with calling(Policy(cors=CORS)) as client:
        yield client


@pytest.mark.parametrize("path", [f"/notes/{'0' * 32}", "/nothing", "/fail", "/status/418", "/stream?pieces=1"])
async def test_every_answer_tells_browsers_to_be_careful(http, path):
    headers = (await http.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cache-control"] == "no-store"
    assert headers["vary"] == "Accept-Encoding, Origin"
    assert "strict-transport-security" not in headers


async def test_where_callers_come_by_https_browsers_are_told_to_insist():
    async with calling(Policy(https=True)) as http:
        assert (await http.get("/nothing")).headers["strict-transport-security"].startswith("max-age=31536000")


async def test_what_a_route_says_of_caches_counts_and_an_entity_tag_may_be_asked_about(http):
    assert (await http.get("/headed?name=cache-control&value=public")).headers.get_list("cache-control") == ["public"]
    assert (await http.get('/headed?name=etag&value="1"')).headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("path", [f"/notes/{'0' * 32}", "/nothing", "/sized/5000"])
async def test_head_is_get_without_a_body(http, path):
    got, headed = await http.get(path), await http.head(path)
    assert headed.content == b""
    assert headed.status_code == got.status_code
    unlike = {"x-request-id"}
    assert {*headed.headers.items()} - {*got.headers.items()} == {
        (name, value) for name, value in headed.headers.items() if name in unlike
    }


async def test_head_where_there_is_no_get_is_405(http):
    answer = await http.head("/raw")
    assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")


async def test_options_names_the_methods_of_a_path(http):
    answer = await http.options(f"/notes/{'0' * 32}")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (204, "GET, HEAD, OPTIONS", b"")
    assert (await http.options("/nothing")).status_code == 404


@pytest.mark.parametrize(
    ("asked", "sent_to"),
    [
        ("/notes/", "/notes"),
        ("/notes/?page=2&q=a%2Fb", "/notes?page=2&q=a%2Fb"),
        ("/notes/%41/", "/notes/%41"),
        ("/nothing/", "/nothing"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_slash_too_many_at_the_end_is_sent_on_with_its_query(http, method, asked, sent_to):
    answer = await http.request(method, asked)
    assert (answer.status_code, answer.headers["location"]) == (308, sent_to)


@pytest.mark.parametrize(
    "path",
    [
        b"//evil.com/",
        b"/notes//",
        b"//notes",
        b"/\\evil.com/",
        b"/notes%2F1",
        b"/notes%2f",
        b"/a%5Cb",
        b"/\xff/",
        b'/"/',
    ],
)
async def test_what_could_be_read_as_two_paths_is_not_found(path):
    sent = []

    async def send(message):
        sent.append(message)

    async def app(*_):
        raise AssertionError

    scope = {"type": "http", "method": "GET", "path": path.decode("latin-1"), "raw_path": path, "headers": []}
    await RequestShell(app)(scope, None, send)
    assert sent[0]["status"] == 404
    assert "location" not in dict(sent[0]["headers"])


async def test_json_is_compressed_from_a_kilobyte_on_for_those_who_take_it(http):
    for size, taken, packed in ((1023, "gzip", False), (1024, "gzip", True), (200_000, "br, gzip;q=0.5", True)):
        answer = await http.get(f"/sized/{size}", headers={"accept-encoding": taken})
        assert (answer.headers.get("content-encoding") == "gzip") is packed
        assert len(answer.json()) == size - 2
        assert (int(answer.headers["content-length"]) < size) is packed
    for taken in ("identity", "gzip;q=0", "gzip;q=0.0, *", "br"):
        assert "content-encoding" not in (await http.get("/sized/5000", headers={"accept-encoding": taken})).headers
    assert (await http.get("/sized/5000", headers={"accept-encoding": "*"})).headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("name", "value"), [("cache-control", "no-store"), ("etag", '"1"'), ("content-type", "text/plain")]
)
async def test_secrets_tagged_answers_and_other_types_are_not_compressed(http, name, value):
    answer = await http.get("/headed", params={"name": name, "value": value}, headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers


async def test_what_is_compressed_can_be_read(http):
    async with http.stream("GET", "/sized/5000", headers={"accept-encoding": "gzip"}) as answer:
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert gzip.decompress(raw) == b'"' + b"x" * 4998 + b'"'


async def test_a_named_origin_may_read_the_answer_whatever_it_is(http):
    for path in (f"/notes/{'0' * 32}", "/nothing", "/fail"):
        headers = (await http.get(path, headers={"origin": APP})).headers
        assert headers["access-control-allow-origin"] == APP
        assert headers["access-control-expose-headers"] == "ETag"
        assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize("origin", [OTHER, "null", APP + ".evil.com", APP.upper(), "*", ""])
async def test_no_other_origin_may(http, origin):
    for method in ("GET", "OPTIONS"):
        asked = {"origin": origin, "access-control-request-method": "PUT"}
        answer = await http.request(method, f"/notes/{'0' * 32}", headers=asked)
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_browser_that_asks_first_is_told_what_it_may_send(http):
    asked = {"origin": APP, "access-control-request-method": "PUT", "access-control-request-headers": "authorization"}
    answer = await http.options("/notes/anything", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-methods"] == "GET, PUT"
    assert answer.headers["access-control-allow-headers"] == "Authorization"
    assert int(answer.headers["access-control-max-age"]) > 0


async def test_without_origins_nothing_is_said_of_them():
    async with calling(Policy()) as http:
        answer = await http.get("/nothing", headers={"origin": APP})
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["vary"] == "Accept-Encoding"
