"""Through an egress proxy: to the checked address and no other, and what the proxy does wrong is no receiver's fault."""

import asyncio
import socket
from base64 import b64encode
from ipaddress import ip_network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtask_webhook_dispatcher.transport import (
    AddressPolicy,
    Answer,
    Failure,
    InvalidProxy,
    TransportError,
    parse_proxy,
    parse_url,
)
from flowtask_webhook_dispatcher.transport.proxying import MAX_REPLY, ProxyReply

OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@pytest.fixture
def names():
    """What the names of this module resolve to, in the order of lookups; the last answer stays."""
    return {"hooks.example": [["8.8.8.8"]]}


@pytest.fixture
def through(make_client, trusted, names):
    """A client behind a proxy, which may post to public addresses only; the proxy itself is on loopback."""

    async def resolve(host, _port):
        answers = names[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def make(proxy_url, **options):
        named = {"policy": AddressPolicy(), "resolve": resolve, "tls": trusted.client_context(), **options}
        return make_client(proxy=parse_proxy(proxy_url), **named)

    return make


async def failure(client, url="http://hooks.example/", timeout=5):  # noqa: ASYNC109  the client's own deadline
    async with asyncio.timeout(timeout + 2):
        with pytest.raises(TransportError) as caught:
            await client.post(parse_url(url, allow_http=True), [], b"x", timeout=timeout)
    return caught.value


def http(host="hooks.example", port=80):
    return parse_url(f"http://{host}:{port}/", allow_http=True)


async def test_a_post_goes_through_the_tunnel_to_the_checked_address(through, connect_proxy, receive, ok):
    receiver = await receive(ok)
    proxy = await connect_proxy(default=receiver.port)
    answer = await through(proxy.url).post(http(), [], b"x", timeout=5)
    assert (answer.status, answer.body, answer.address) == (200, b"ok", "8.8.8.8")
    assert proxy.heads == [b"CONNECT 8.8.8.8:80 HTTP/1.1\r\nHost: 8.8.8.8:80\r\n\r\n"]
    assert receiver.requests == [b"POST / HTTP/1.1\r\nHost: hooks.example\r\nContent-Length: 1\r\n\r\nx"]


async def test_the_certificate_is_the_receivers_and_for_its_name(through, connect_proxy, receive, trusted, ok):
    receiver = await receive(ok, tls=trusted.server_context("hooks.example"))
    other = await receive(ok, tls=trusted.server_context("other.example"))
    proxy = await connect_proxy(routes={b"8.8.8.8:443": receiver.port, b"8.8.8.8:8443": other.port})
    client = through(proxy.url)
    answer = await client.post(parse_url("https://hooks.example/"), [], b"x", timeout=5)
    assert (answer.status, answer.address) == (200, "8.8.8.8")
    error = await failure(client, "https://hooks.example:8443/")
    assert error.kind is Failure.TLS_WRONG_HOST
    assert other.requests == []


async def test_a_tunnel_is_kept_for_the_next_request(through, connect_proxy, receive, trusted, ok):
    receiver = await receive(ok, tls=trusted.server_context("hooks.example"))
    proxy = await connect_proxy(default=receiver.port)
    client = through(proxy.url)
    for _ in range(5):
        assert (await client.post(parse_url("https://hooks.example/"), [], b"x", timeout=5)).status == 200
    assert (len(proxy.heads), receiver.connections) == (1, 1)


async def test_an_ipv6_address_stands_in_brackets(through, connect_proxy, receive, ok):
    receiver = await receive(ok)
    proxy = await connect_proxy(default=receiver.port)
    await through(proxy.url).post(http("[2606:4700:0::1111]"), [], b"x", timeout=5)
    assert proxy.heads == [b"CONNECT [2606:4700::1111]:80 HTTP/1.1\r\nHost: [2606:4700::1111]:80\r\n\r\n"]


async def test_a_name_that_turns_private_after_the_check_changes_nothing(through, connect_proxy, receive, names, ok):
    receiver = await receive(ok)
    proxy = await connect_proxy(default=receiver.port)
    names["rebinding.example"] = [["8.8.8.8"], ["127.0.0.1"]]
    assert (await through(proxy.url).post(http("rebinding.example"), [], b"x", timeout=5)).status == 200
    assert (proxy.asked_for, len(names["rebinding.example"])) == ([b"8.8.8.8:80"], 1)
    error = await failure(through(proxy.url), "http://rebinding.example/")
    assert error.kind is Failure.FORBIDDEN_ADDRESS
    assert len(proxy.heads) == 1


async def test_a_redirect_that_comes_through_the_tunnel_is_not_followed(through, connect_proxy, receive):
    receiver = await receive(b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n")
    proxy = await connect_proxy(default=receiver.port)
    assert (await through(proxy.url).post(http(), [], b"x", timeout=5)).status == 307
    assert (len(proxy.heads), receiver.connections) == (1, 1)


async def test_credentials_go_to_the_proxy_alone(through, connect_proxy, receive, ok):
    receiver = await receive(ok)
    proxy = await connect_proxy(default=receiver.port)
    client = through(proxy.url.replace("//", "//flow%40task:p%3Ass@"))
    await client.post(http(), [], b"x", timeout=5)
    assert b"\r\nProxy-Authorization: Basic " + b64encode(b"flow@task:p:ss") + b"\r\n" in proxy.heads[0]
    assert b"roxy" not in receiver.requests[0]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
        b"HTTP/1.1 400 Bad\r\n\r\n", b"HTTP/1.1 403 Forbidden\r\n\r\n", b"HTTP/1.1 405 No\r\n\r\n", b"HTTP/1.1 500 Oh\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n", b"HTTP/1.1 999 What\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 200OK\r\n\r\n", b"http/1.1 200 OK\r\n\r\n", b"SSH-2.0-OpenSSH_9.9\r\n", b"\x05\x00", b"\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46", b"HTTP/1.1 200 " + b"y" * MAX_REPLY, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * MAX_REPLY,
    ],
)  # fmt: skip
async def test_what_the_proxy_answers_wrong_is_our_fault_and_nothing_is_sent(
    through, connect_proxy, until, open_files, answer
):
    proxy = await connect_proxy(answer=answer)
    before = open_files()
    client = through(proxy.url.replace("//", "//user:hunter2@"))
    error = await failure(client)
    assert error.kind is Failure.PROXY
    assert error.kind.ours
    for text in (str(error), repr(error), error.message):
        assert "hunter2" not in text
        assert "127.0.0.1" not in text
        assert "8.8.8.8" not in text
    await until(lambda: client.open_connections == 0 and not proxy.tasks and open_files() <= before)


async def test_a_proxy_that_failed_us_is_not_asked_for_the_next_address(through, connect_proxy, names):
    names["many.example"] = [["1.1.1.1", "8.8.8.8"]]
    proxy = await connect_proxy(answer=b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    assert (await failure(through(proxy.url), "http://many.example/")).kind is Failure.PROXY
    assert proxy.asked_for == [b"1.1.1.1:80"]


async def hangs_up(_reader, _writer):
    pass


async def hangs_up_within(_reader, writer):
    writer.write(OPENED[:-2])
    await writer.drain()
    writer.write_eof()
    await asyncio.sleep(0.05)


async def trickles(_reader, writer):
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.005)


async def is_silent(reader, _writer):
    await reader.read(1)


@pytest.mark.parametrize("answer", [hangs_up, hangs_up_within, trickles, is_silent])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_does_not_answer_to_the_end_fails_us_by_the_deadline(
    through, connect_proxy, until, open_files, answer, scheme
):
    proxy = await connect_proxy(answer=answer)
    before = open_files()
    error = await failure(through(proxy.url), f"{scheme}://hooks.example/", 0.3)
    assert error.kind is Failure.PROXY
    assert error.timings.total < 2
    assert error.timings.connect is None
    await until(lambda: not proxy.tasks and open_files() <= before)


async def test_a_proxy_that_is_away_fails_us(through, open_files):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        before = open_files()
        error = await failure(through(f"http://127.0.0.1:{taken.getsockname()[1]}"))
        assert (error.kind, error.message) == (Failure.PROXY, "The egress proxy cannot be reached.")
        assert open_files() == before


async def test_a_proxy_whose_name_is_unknown_fails_us(make_client):
    async def resolve(_host, _port):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    client = make_client(AddressPolicy(), resolve=resolve, proxy=parse_proxy("http://proxy.example:3128"))
    error = await failure(client, "http://8.8.8.8/")
    assert (error.kind, error.message) == (Failure.PROXY, "The egress proxy's name could not be resolved.")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"HTTP/1.1 503 Service Unavailable\r\nServer: squid\r\nX-Squid-Error: ERR_CONNECT_FAIL 111\r\n\r\n",
        b"HTTP/1.0 500 X\r\nproxy-status: egress; error=connection_refused\r\n\r\n",
        b"HTTP/1.1 503 X\r\nProxy-Status: a, egress;error=destination_unavailable;details=x\r\n\r\n",
    ],
)
async def test_what_the_proxy_says_of_the_receiver_is_the_receivers(through, connect_proxy, answer):
    error = await failure(through((await connect_proxy(answer=answer)).url))
    assert (error.kind, error.message) == (Failure.CONNECT_UNREACHABLE, "The receiver cannot be reached.")
    assert not error.kind.ours


async def test_a_gateway_timeout_is_a_connection_not_taken_in_time(through, connect_proxy):
    proxy = await connect_proxy(answer=b"HTTP/1.1 504 Gateway Timeout\r\n\r\n")
    assert (await failure(through(proxy.url))).kind is Failure.CONNECT_TIMEOUT


async def test_the_next_address_is_tried_if_the_proxy_cannot_reach_one(through, connect_proxy, receive, names, ok):
    async def answer(reader, writer):
        if proxy.asked_for[-1] == b"1.1.1.1:80":
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        else:
            await proxy._tunnel(reader, writer, receiver.port)

    names["many.example"] = [["1.1.1.1", "8.8.8.8"]]
    receiver = await receive(ok)
    proxy = await connect_proxy(answer=answer)
    assert (await through(proxy.url).post(http("many.example"), [], b"x", timeout=5)).address == "8.8.8.8"
    assert proxy.asked_for == [b"1.1.1.1:80", b"8.8.8.8:80"]


@pytest.mark.parametrize("silent", [True, False])
async def test_a_refusal_counts_against_the_receiver_only_once_somebody_else_was_let_through(
    through, connect_proxy, receive, names, silent, ok
):
    async def answer(reader, writer):
        if proxy.asked_for[-1] == b"8.8.8.8:80" and silent:
            await reader.read(1)
        elif proxy.asked_for[-1] == b"8.8.8.8:80":
            writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        else:
            await proxy._tunnel(reader, writer, receiver.port)

    names["good.example"] = [["1.1.1.1"]]
    receiver = await receive(ok)
    proxy = await connect_proxy(answer=answer)
    client = through(proxy.url)
    for _ in range(2):
        assert (await failure(client, timeout=0.2)).kind is Failure.PROXY
    assert (await client.post(http("good.example"), [], b"x", timeout=5)).status == 200
    assert (await failure(client, timeout=0.2)).kind is (
        Failure.CONNECT_TIMEOUT if silent else Failure.CONNECT_UNREACHABLE
    )


async def test_a_receiver_that_speaks_first_within_the_tunnel_is_an_invalid_answer(through, connect_proxy):
    proxy = await connect_proxy(answer=OPENED + b"220 mail ESMTP\r\n")
    error = await failure(through(proxy.url))
    assert error.kind is Failure.INVALID_ANSWER
    assert not error.kind.ours


async def test_cancelling_at_any_moment_leaks_nothing(through, connect_proxy, receive, until, open_files, trusted, ok):
    receiver = await receive(ok, tls=trusted.server_context("hooks.example"))
    proxy = await connect_proxy(default=receiver.port)
    client = through(proxy.url)
    before = open_files()
    for turns in range(40):
        post = asyncio.create_task(client.post(parse_url("https://hooks.example/"), [], b"x", timeout=5))
        for _ in range(turns):
            await asyncio.sleep(0)
        post.cancel()
        (end,) = await asyncio.gather(post, return_exceptions=True)
        assert isinstance(end, asyncio.CancelledError | Answer)
    assert (await client.post(parse_url("https://hooks.example/"), [], b"x", timeout=5)).status == 200
    await client.aclose()
    await until(lambda: not proxy.tasks and not receiver.tasks and open_files() <= before)


async def test_closing_the_client_ends_a_tunnel_that_is_being_opened(through, connect_proxy, until):
    proxy = await connect_proxy(answer=is_silent)
    client = through(proxy.url)
    post = asyncio.create_task(client.post(http(), [], b"x", timeout=60))
    await until(lambda: proxy.heads)
    await client.aclose()
    with pytest.raises(TransportError) as caught:
        await post
    assert caught.value.kind is Failure.LOCAL


async def test_what_is_forbidden_does_not_even_reach_the_proxy(through, connect_proxy, receive, ok):
    receiver = await receive(ok)
    proxy = await connect_proxy(default=receiver.port)
    client = through(proxy.url, ports=())
    for url in ("http://10.0.0.1/", f"http://127.0.0.1:{proxy.port}/", "http://hooks.example:22/"):
        assert (await failure(client, url)).kind.final
    assert proxy.heads == []
    open_to_ten = through(proxy.url, policy=AddressPolicy([ip_network("10.0.0.0/8")]))
    assert (await open_to_ten.post(http("10.0.0.1"), [], b"x", timeout=5)).status == 200
    assert proxy.asked_for == [b"10.0.0.1:80"]


@pytest.mark.parametrize(
    ("url", "host", "port", "authorization"),
    [
        ("http://proxy.internal:3128", "proxy.internal", 3128, None),
        ("http://10.0.0.8:80/", "10.0.0.8", 80, None),
        ("http://[fd00::8]:8080", "fd00::8", 8080, None),
        ("http://me:secret@proxy:1", "proxy", 1, b"Basic " + b64encode(b"me:secret")),
        ("http://me@proxy:1", "proxy", 1, b"Basic " + b64encode(b"me:")),
        ("http://a%3Ab:c%0A@proxy:1", "proxy", 1, b"Basic " + b64encode(b"a:b:c\n")),
    ],
)
def test_a_proxy_is_read_from_its_url(url, host, port, authorization):
    proxy = parse_proxy(url)
    assert (proxy.target.host, proxy.target.port, proxy.authorization) == (host, port, authorization)
    assert "secret" not in repr(proxy)
    assert "Basic" not in repr(proxy)


@pytest.mark.parametrize(
    "url",
    [
        "", "proxy:3128", "https://proxy:3128", "socks5://proxy:1080", "http://proxy", "http://:3128", "http://proxy:0", "http://proxy:65536",
        "http://hunter2@", "http://u:hunter2@proxy", "http://u:hunter2@proxy:1/path", "http://u:hunter2@proxy:1?x", "http://u:hunter2@b@proxy:1",
        "http://u:hun ter2@proxy:1", "http://u:hunter2\r\n@proxy:1", "http://pro xy:1", "http://proxy:1\r\nX: y", "http://0x7f.1:3128",
    ],
)  # fmt: skip
def test_what_is_no_proxy_is_refused_without_being_repeated(url):
    with pytest.raises(InvalidProxy) as refusal:
        parse_proxy(url)
    assert "hun" not in str(refusal.value)


WORDS = [b"HTTP/1.1 ", b"HTTP/1.0 200", b"200", b"502", b" OK", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"Proxy-Status: x; error=connection_refused",
         b"X-Squid-Error: ERR_CONNECT_FAIL 111", b"X: y", b"\0", b"\xff", b"x" * 9000]  # fmt: skip
ANYTHING = st.binary(max_size=200) | st.lists(st.sampled_from(WORDS), max_size=12).map(b"".join)


def read(data, cuts):
    reply = ProxyReply()
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges) if end > start]
    for piece in [*pieces, b""]:
        if reply.feed(piece):
            break
    return reply


@given(ANYTHING, st.lists(st.integers(0, 40_000), max_size=20))
def test_any_bytes_of_a_proxy_are_one_reply_whatever_the_cuts(data, cuts):
    whole, pieces = read(data, []), read(data, cuts)
    garbage = "The egress proxy's answer is not valid HTTP/1.1, or too long."
    assert (whole.fault, whole.status, whole.names_the_receiver) == (
        pieces.fault,
        pieces.status,
        pieces.names_the_receiver,
    )
    assert (whole.fault is None) == (200 <= whole.status <= 999)
    assert whole.fault in {None, garbage, "The egress proxy closed the connection without an answer."}
    assert len(pieces._head) <= MAX_REPLY
