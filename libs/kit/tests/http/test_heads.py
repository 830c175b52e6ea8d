"""What comes before a request can be served: heads that are too large, too slow, or nothing like HTTP."""

import asyncio
import json
from contextlib import suppress

import pytest
from notes.process import NotesProcess

PATIENCE = 1.0


@pytest.fixture(scope="module")
def service(notes_postgres, notes_nats):
    with NotesProcess(notes_postgres, notes_nats, FLOWTASK_REQUEST_SECONDS=str(PATIENCE)) as process:
        yield process


async def exchange(service, *pieces, pause=0.0):
    """Send bytes on a new connection; returns everything that comes back until the service hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)

    async def send():
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    sending, came = asyncio.create_task(send()), b""
    try:
        with suppress(
            ConnectionResetError
        ):  # how it looks when one more piece was on its way to a connection that is closed
            async with asyncio.timeout(20):
                while piece := await reader.read(65536):
                    came += piece
        return came
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()


def refused(answer, status, code):
    """The headers of a refusal in the envelope, after checking it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert int(lines[0].split()[1]) == status, answer
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert json.loads(body)["error"]["code"] == code
    assert int(headers["content-length"]) == len(body)
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert headers["x-request-id"]
    assert headers["x-content-type-options"] == "nosniff"
    return headers


def get(path="/livez", headers=""):
    return f"GET {path} HTTP/1.1\r\nHost: notes\r\n{headers}Connection: close\r\n\r\n".encode()


async def test_a_head_below_the_limits_is_served(service):
    headers = "".join(f"x-{number}: {'y' * 300}\r\n" for number in range(90))
    assert (await exchange(service, get(headers=headers))).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "request_bytes",
    [
        get(headers="".join(f"x-{number}: y\r\n" for number in range(101))),
        get(headers=f"x-long: {'y' * 33_000}\r\n"),
        get(headers="".join(f"x-{number}: {'y' * 3_000}\r\n" for number in range(12))),
        get("/" + "x" * 33_000),
        b"GET /livez HTTP/1.1\r\nx-endless: " + b"y" * 200_000,
        b"GET /" + b"y" * 200_000,
        b"GET /livez HTTP/1.1\r\n" + b"y" * 200_000,
    ],
    ids=["many", "long", "together", "path", "endless value", "endless path", "endless name"],
)
async def test_a_head_above_the_limits_is_431_also_while_it_is_still_coming(service, request_bytes):
    refused(await exchange(service, request_bytes), 431, "HEADERS_TOO_LARGE")


async def test_a_refusal_is_seen_by_a_client_that_goes_on_sending(service):
    pieces = [b"GET /livez HTTP/1.1\r\nx-endless: ", *[b"y" * 65_536] * 40]
    refused(await exchange(service, *pieces), 431, "HEADERS_TOO_LARGE")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"BREW /pot HTTP/1.1\r\nHost: notes\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /a b HTTP/1.1\r\nHost: notes\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /livez HTTP/9.9\r\nHost: notes\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ],
    ids=["verb", "nonsense", "tls", "space", "header", "version", "length"],
)
async def test_what_is_no_http_is_400_in_the_envelope(service, request_bytes):
    refused(await exchange(service, request_bytes), 400, "BAD_REQUEST")


async def test_a_head_that_trickles_in_is_408_and_hung_up_on(service):
    begun = asyncio.get_running_loop().time()
    answer = await exchange(service, b"GET /livez HTTP/1.1\r\n", *[b"x-a: b\r\n"] * 200, pause=0.1)
    refused(answer, 408, "REQUEST_TIMEOUT")
    assert asyncio.get_running_loop().time() - begun >= PATIENCE * 0.9


async def test_a_connection_on_which_nothing_comes_is_closed_without_a_word(service):
    assert await exchange(service) == b""


async def test_the_second_head_of_a_connection_is_timed_like_the_first(service):
    first = get().replace(b"Connection: close\r\n", b"")
    answer = await exchange(service, first, b"GET /livez HTTP/1.1\r\n", pause=0.2)
    assert answer.startswith(b"HTTP/1.1 200")
    refused(answer[answer.index(b"HTTP/1.1 408") :], 408, "REQUEST_TIMEOUT")


async def test_a_body_that_trickles_in_is_408_and_hung_up_on(service):
    head = b"POST /raw HTTP/1.1\r\nHost: notes\r\nContent-Length: 1000\r\n\r\n"
    refused(await exchange(service, head, *[b"x"] * 200, pause=0.1), 408, "REQUEST_TIMEOUT")


async def test_what_trickles_in_after_the_answer_is_hung_up_on(service):
    head = b"GET /livez HTTP/1.1\r\nHost: notes\r\nContent-Length: 1000\r\n\r\n"
    assert (await exchange(service, head, *[b"x"] * 200, pause=0.1)).startswith(b"HTTP/1.1 200")


async def test_an_answer_that_takes_too_long_is_503_with_a_time_to_come_back(service):
    answer = await exchange(service, get("/slow?seconds=60"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503")
    error = json.loads(body)["error"]
    assert (error["code"], error["retryAfter"]) == ("SERVICE_UNAVAILABLE", 2)


async def test_an_answer_that_has_begun_may_go_on(service):
    answer = await exchange(service, get("/stream?pieces=80"))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"79\n" in answer


async def test_a_request_to_upgrade_is_served_as_it_is(service):
    headers = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    request = get(headers=headers).replace(b"Connection: close", b"Connection: Upgrade, close")
    assert (await exchange(service, request)).startswith(b"HTTP/1.1 200")
