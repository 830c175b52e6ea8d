"""The reader alone, with plain bytes; then the whole client, with any bytes at all."""

import asyncio
from ipaddress import ip_network
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtask_webhook_dispatcher.transport import (
    AddressPolicy,
    Admission,
    Answer,
    HookClient,
    TransportError,
    parse_url,
)
from flowtask_webhook_dispatcher.transport.responses import MAX_HEAD, MAX_HEADERS, ResponseReader

WORDS = [
    b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTTP/", b"200", b"204", b"304", b"100", b"101", b"103", b"599", b"000", b" OK", b"\r\n", b"\n", b"\r",
    b"\r\n\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked", b"Connection: close", b"Connection: keep-alive", b"Upgrade: h2c",
    b"Keep-Alive: timeout=5", b"X: y", b":", b" ", b"\t", b"\0", b"\xff", b"0", b"1", b"5", b"a", b"ff", b"-1", b";x=y", b"99999999999999999999",
    b"0\r\n\r\n", b"1\r\na\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"x" * 70, b"X: " + b"y" * 2000 + b"\r\n", b"X: y\r\n" * 60,
]  # fmt: skip
PLAUSIBLE = st.lists(st.sampled_from(WORDS), max_size=25).map(b"".join)
ANYTHING = (
    st.binary(max_size=300)
    | PLAUSIBLE
    | st.builds(lambda a, b, c: a + b + c, PLAUSIBLE, st.binary(max_size=9), PLAUSIBLE)
)


LONG = [*WORDS, b"X: " + b"y" * 30_000, b"z" * 500, b"1\r\nx\r\n" * 60, b"X: y\r\n" * 3000]
LENGTHY = st.lists(st.sampled_from(LONG), max_size=12).map(b"".join)
CUTS = st.lists(st.integers(0, 100_000), max_size=30)


def read(data, cuts, max_body=64):
    reader = ResponseReader(max_body)
    over = False
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        if over := reader.feed(data[start:end]):
            break
    if not over:
        reader.end()
    return reader


def outcome(reader):
    if reader.fault is not None or not reader.head_done:
        return reader.fault is not None
    return reader.status, reader.headers, reader.body, reader.truncated


@given(ANYTHING | LENGTHY, CUTS)
@settings(max_examples=500, deadline=None)
def test_any_bytes_give_the_same_outcome_whatever_the_cuts(data, cuts):
    whole, pieces = read(data, []), read(data, cuts)
    assert outcome(whole) == outcome(pieces)
    for reader in (whole, pieces):
        assert len(reader.body) <= 64
        assert len(reader.headers) <= MAX_HEADERS + 1
        assert sum(len(name) + len(value) for name, value in reader.headers) <= MAX_HEAD
        assert reader.received <= MAX_HEAD + 8 * 64
        assert reader.status == 0 or 200 <= reader.status <= 999
        assert (reader.keep_alive_seconds() or 0) >= 0


@given(PLAUSIBLE)
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_the_same_outcome_byte_by_byte(data):
    assert outcome(read(data, [])) == outcome(read(data, range(len(data))))


def test_what_lies_beyond_the_raw_limit_is_the_same_whatever_the_cuts():
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    limit = MAX_HEAD + 8 * 64
    for filler in (
        limit - len(head) - 6,
        limit - len(head) - 5,
    ):  # the last chunk ends at the limit, or one byte beyond
        data = head + b"0;" + b"x" * (filler - 3) + b"\r\n\r\n" + b"y" * 2
        readers = [read(data, cuts) for cuts in ([], [limit], [limit - 1, limit + 1], range(0, len(data), 1000))]
        assert len({(reader.status, reader.complete, reader.truncated) for reader in readers}) == 1


def test_a_reader_reads_one_response_after_another():
    reader = ResponseReader(64)
    for number in range(3):
        reader.begin()
        assert reader.feed(b"HTTP/1.1 200 OK\r\nX: %d\r\nContent-Length: 1\r\n\r\n%d" % (number, number))
        assert (reader.status, reader.body, reader.complete, reader.reusable) == (200, b"%d" % number, True, True)
        assert reader.headers[0] == (b"X", b"%d" % number)


def test_a_fault_leaves_no_connection_to_reuse_even_if_a_response_follows_it():
    reader = ResponseReader(64)
    assert reader.feed(b"HTTP/1.1 103 Early\r\n\r\n" * 9 + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert (reader.fault is not None, reader.reusable) == (True, False)


def test_a_head_too_long_is_noticed_within_one_large_read():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: %b\r\n\r\nhello"
    fits, too_long = ResponseReader(64), ResponseReader(64)
    assert fits.feed(head % (b"y" * (MAX_HEAD - 100)))
    assert (fits.fault, fits.body) == (None, b"hello")
    assert too_long.feed(head % (b"y" * MAX_HEAD))
    assert too_long.fault is not None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"timeout=5", 5), (b"max=9, Timeout=7", 7), (b" timeout=5 ", 5), (b"timeout=-1", None), (b"timeout=x", None), (b"timeout", None),
     (b"timeout=" + b"9" * 5000, None), (b"", None)],
)  # fmt: skip
def test_keep_alive_says_how_long_the_receiver_waits(value, seconds):
    reader = ResponseReader(64)
    reader.feed(b"HTTP/1.1 204 No Content\r\nX: y\r\nKeep-Alive: " + value + b"\r\n\r\n")
    assert reader.complete
    assert reader.keep_alive_seconds() == seconds


class Stage:
    """One event loop with a server that says what it is told, and a client."""

    def __init__(self):
        self.script = (b"", True)
        self.runner = asyncio.Runner()
        self.runner.run(self.open())

    async def open(self):
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.target = parse_url(f"http://127.0.0.1:{port}/", allow_http=True)
        policy = AddressPolicy([ip_network("127.0.0.0/8")])
        self.client = HookClient(Admission(policy, allow_http=True, ports=[range(port, port + 1)]), max_body=64)

    async def accept(self, reader, writer):
        try:
            while (await reader.readuntil(b"\r\n\r\n")).endswith(b"\r\n\r\n"):
                data, hangs_up = self.script
                writer.write(data)
                if hangs_up:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def outcome(self, data, hangs_up):
        self.script = (data, hangs_up)
        async with asyncio.timeout(5):
            try:
                return await self.client.post(self.target, [], b"", timeout=0.02)
            except TransportError as error:
                return error

    async def close(self):
        await self.client.aclose()
        self.server.close()
        await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def stage():
    stage = Stage()
    yield stage
    stage.runner.run(stage.close())
    stage.runner.close()


@given(data=ANYTHING, hangs_up=st.booleans())
@settings(max_examples=200, deadline=None)
def test_whatever_a_receiver_sends_is_an_answer_or_a_transport_error_by_the_deadline(stage, data, hangs_up):
    assert isinstance(stage.runner.run(stage.outcome(data, hangs_up)), Answer | TransportError)
