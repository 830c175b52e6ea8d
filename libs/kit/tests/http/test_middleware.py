"""What only a real connection shows: the notes service runs as a process and is spoken to byte by byte."""

import asyncio
import json

import httpx2 as httpx
import pytest
from notes.process import NotesProcess

from flowtask_kit.http.policy import MAX_BODY_BYTES


@pytest.fixture(scope="module")
def service(notes_postgres, notes_nats):
    with NotesProcess(notes_postgres, notes_nats) as process:
        yield process


@pytest.fixture
async def http(service):
    async with httpx.AsyncClient(base_url=service.url) as client:
        yield client


async def exchange(service, *pieces):
    """Send bytes on a new connection; returns everything that comes back until the service hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def post(path, headers, body=b""):
    return f"POST {path} HTTP/1.1\r\nHost: notes\r\n{headers}\r\n".encode() + body


def status_of(answer):
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("given", ["r-1", "0190-abc_DEF.1", "x" * 128])
async def test_a_plain_request_id_is_kept(http, given):
    assert (await http.get("/livez", headers={"x-request-id": given})).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a;b", "ü".encode("latin-1"), "<script>", "a\tb"])
async def test_any_other_request_id_is_replaced(http, given):
    answers = [await http.get("/livez", headers={"x-request-id": given}) for _ in range(2)]
    made = [answer.headers["x-request-id"] for answer in answers]
    assert given not in made
    assert len(set(made)) == 2
    assert all(len(request_id) == 36 for request_id in made)


async def test_a_body_of_the_limit_passes_and_one_byte_more_is_refused(http):
    assert (await http.post("/raw", content=b"x" * MAX_BODY_BYTES)).json() == MAX_BODY_BYTES
    answer = await http.post("/raw", content=b"x" * (MAX_BODY_BYTES + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("path", ["/raw", "/notes"])
async def test_a_declared_body_above_the_limit_is_refused_unread_and_the_connection_closed(service, path):
    headers = f"Content-Type: application/json\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n"
    answer = await exchange(service, post(path, headers))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert status_of(answer) == 413
    assert b"connection: close" in head.lower()
    assert b"x-request-id: " in head.lower()
    assert json.loads(body)["error"]["code"] == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize("path", ["/raw", "/notes"])
async def test_a_chunked_body_is_counted_as_it_comes_and_the_connection_closed(service, path):
    headers = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = await exchange(service, post(path, headers), *[chunk] * 17)
    assert status_of(answer) == 413
    assert b"connection: close" in answer.lower()


async def test_a_chunked_body_below_the_limit_passes(service):
    headers = "Transfer-Encoding: chunked\r\nConnection: close\r\n"
    answer = await exchange(service, post("/raw", headers), b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n")
    assert status_of(answer) == 200
    assert answer.endswith(b"5")


@pytest.mark.parametrize(
    "length", ["abc", "-1", "+5", "5, 5", "0x5", "5.0", "9" * 30, "9" * 5000, "1\r\nContent-Length: 2", ""]
)
async def test_a_content_length_that_is_no_number_is_refused_and_the_connection_closed(service, length):
    answer = await exchange(service, post("/raw", f"Content-Length: {length}\r\n", b"hello"))
    assert status_of(answer) in {400, 413}


async def test_both_lengths_at_once_are_refused(service):
    answer = await exchange(service, post("/raw", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"))
    assert status_of(answer) == 400


async def test_an_answer_streams(http):
    async with http.stream("GET", "/stream?pieces=5") as answer:
        pieces = [piece async for piece in answer.aiter_text()]
    assert "".join(pieces) == "0\n1\n2\n3\n4\n"
    assert len(pieces) > 1
    assert answer.headers["x-request-id"]


async def test_an_answer_that_breaks_off_ends_its_connection_and_is_logged_and_counted(http, service):
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get("/stream?pieces=2&fails=true", headers={"x-request-id": "broken"})
    line = json.loads(await asyncio.to_thread(service.wait_for_line, '"answer broke off"'))
    assert line["request_id"] == "broken"
    assert "RuntimeError: hunter2" in line["exception"]
    metrics = (await http.get("/metrics")).text
    assert 'flowtask_http_request_seconds_count{method="GET",route="/stream",status="200"}' in metrics


async def test_requests_are_counted_by_route_and_not_by_address(http):
    for number in range(3):
        await http.get(f"/notes/{number:032}")
        await http.get(f"/nowhere/{number}")
    await http.put("/notes")
    metrics = (await http.get("/metrics")).text
    count = "flowtask_http_request_seconds_count"
    assert f'{count}{{method="GET",route="/notes/{{note_id}}",status="200"}} 3.0' in metrics
    assert f'{count}{{method="GET",route="unmatched",status="404"}} 3.0' in metrics
    assert "/nowhere" not in metrics


async def test_a_request_is_one_log_line_with_its_id_and_trace(http, service):
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"x-request-id": "to-be-found", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    await http.get("/notes/" + "0" * 32, headers=headers)
    line = json.loads(await asyncio.to_thread(service.wait_for_line, '"to-be-found"'))
    assert (line["event"], line["method"], line["route"], line["status"]) == ("request", "GET", "/notes/{note_id}", 200)
    assert (line["service"], line["trace_id"]) == ("notes", trace)


async def test_a_failure_is_logged_under_its_request_id(http, service):
    await http.get("/fail", headers={"x-request-id": "failing"})
    line = json.loads(await asyncio.to_thread(service.wait_for_line, '"request failed"'))
    assert line["request_id"] == "failing"
    assert "RuntimeError: hunter2" in line["exception"]
