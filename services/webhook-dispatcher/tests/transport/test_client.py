"""What a well-behaved receiver sees, and how connections are kept and given up."""

import asyncio

import pytest

from flowtask_webhook_dispatcher.transport import Answer, Failure, HookClient, TransportError, parse_url

HEADERS = [(b"Content-Type", b"application/json"), (b"webhook-id", b"1")]
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


async def test_a_post_arrives_as_written_and_its_answer_comes_back(client, receive):
    receiver = await receive(b"HTTP/1.1 201 Created\r\nX-A: \xe9\r\nx-a: 2\r\nEmpty:\r\nContent-Length: 4\r\n\r\nbody")
    answer = await client.post(receiver.target("/hook?x=1"), HEADERS, b'{"a":1}', timeout=5)
    assert receiver.requests == [
        b"POST /hook?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nwebhook-id: 1\r\n"
        b'Content-Length: 7\r\n\r\n{"a":1}' % receiver.port
    ]
    assert (answer.status, answer.body, answer.truncated, answer.address) == (201, b"body", False, "127.0.0.1")
    assert list(answer.headers) == [("X-A", "é"), ("x-a", "2"), ("Empty", ""), ("Content-Length", "4")]
    assert answer.header("CONTENT-LENGTH") == "4"
    assert answer.header("x-a") == "é"
    assert answer.header("Missing") is None
    assert 0 <= answer.timings.total < 5


async def test_an_empty_body_is_sent_with_its_length(client, receive, ok):
    receiver = await receive(ok)
    await client.post(receiver.target(), [], b"", timeout=5)
    assert receiver.requests[0].endswith(b"Content-Length: 0\r\n\r\n")


@pytest.mark.parametrize("status", [200, 204, 299, 302, 304, 404, 410, 429, 500, 599, 600, 999])
async def test_any_final_status_is_an_answer_and_no_redirect_is_followed(client, receive, status):
    receiver = await receive(b"HTTP/1.1 %d Whatever\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n" % status)
    for _ in range(2):
        assert (await client.post(receiver.target(), HEADERS, b"x", timeout=5)).status == status
    assert [request.split()[1] for request in receiver.requests] == [b"/", b"/"]


@pytest.mark.parametrize(
    "headers",
    [
        [(b"X", b"a\r\nEvil: 1")], [(b"X", b"a\n")], [(b"X", b"a\rb")], [(b"X", b"a\0")], [(b"X\r\nEvil", b"1")], [(b"X Y", b"1")],
        [(b"", b"1")], [(b"X:", b"1")], [(b"Host", b"a")], [(b"content-length", b"1")], [(b"Transfer-Encoding", b"chunked")],
        [(b"Connection", b"close")],
    ],
)  # fmt: skip
async def test_headers_that_would_change_the_request_are_refused(client, receive, ok, headers):
    receiver = await receive(ok)
    with pytest.raises(ValueError, match="header"):
        await client.post(receiver.target(), headers, b"x", timeout=5)
    assert receiver.connections == 0
    await client.post(receiver.target(), HEADERS, b"x", timeout=5)
    assert receiver.connections == 1


async def test_requests_one_after_another_share_a_connection(client, receive, ok):
    receiver = await receive(ok)
    for _ in range(20):
        assert (await client.post(receiver.target(), HEADERS, b"x", timeout=5)).body == b"ok"
    assert receiver.connections == 1
    assert client.open_connections == 1


async def test_origins_do_not_share_connections(client, receive, ok):
    one, other = await receive(ok), await receive(ok)
    for receiver in (one, other, one, other):
        await client.post(receiver.target(), HEADERS, b"x", timeout=5)
    assert (one.connections, other.connections) == (1, 1)


@pytest.mark.parametrize(
    "answer",
    [
        CLOSING,
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nKeep-Alive: max=5, timeout=1\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 Pipelined\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!",
    ],
)
async def test_a_connection_that_is_not_clean_or_not_wanted_any_more_is_closed(client, receive, until, answer):
    async def behave(peer):
        await peer.request()
        await peer.send(answer)
        assert await peer.gone()

    receiver = await receive(behave)
    for _ in range(2):
        got = await client.post(receiver.target(), HEADERS, b"x", timeout=5)
        assert (got.status, got.body, got.truncated) == (200, b"ok", False)
    assert receiver.connections == 2
    await until(lambda: client.open_connections == 0)


async def test_http_1_0_with_keep_alive_is_reused(client, receive):
    receiver = await receive(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
    for _ in range(3):
        assert (await client.post(receiver.target(), HEADERS, b"x", timeout=5)).body == b"ok"
    assert receiver.connections == 1


async def test_an_idle_connection_expires(make_client, receive, until, ok):
    client, receiver = make_client(idle_seconds=0.05), await receive(ok)
    await client.post(receiver.target(), HEADERS, b"x", timeout=5)
    assert client.open_connections == 1
    await until(lambda: client.open_connections == 0)


async def test_unasked_bytes_on_an_idle_connection_close_it(client, receive, until):
    async def behave(peer):
        while True:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await speak.wait()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    speak = asyncio.Event()
    receiver = await receive(behave)
    await client.post(receiver.target(), HEADERS, b"x", timeout=5)
    speak.set()
    await until(lambda: client.open_connections == 0)
    await client.post(receiver.target(), HEADERS, b"x", timeout=5)
    assert receiver.connections == 2


async def test_a_connection_closed_by_the_receiver_leaves_the_pool(client, receive, until):
    async def behave(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    receiver = await receive(behave)
    await client.post(receiver.target(), HEADERS, b"x", timeout=5)
    await until(lambda: client.open_connections == 0)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_stale_connection_that_dies_before_any_answer_is_replaced_once(client, receive, how):
    async def behave(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        if receiver.connections == 1:
            await peer.request()  # reads it and hangs up: the worst moment
            getattr(peer, how)()
        else:
            await peer.gone()

    receiver = await receive(behave)
    for _ in range(2):
        assert (await client.post(receiver.target(), HEADERS, b"x", timeout=5)).status == 200
    assert (receiver.connections, len(receiver.requests)) == (2, 3)


async def test_the_replacement_of_a_stale_connection_is_not_replaced_again(client, receive):
    async def behave(peer):
        await peer.request()
        if receiver.connections == 1:
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await peer.request()

    receiver = await receive(behave)
    await client.post(receiver.target(), HEADERS, b"x", timeout=5)
    with pytest.raises(TransportError) as caught:
        await client.post(receiver.target(), HEADERS, b"x", timeout=5)
    assert caught.value.kind is Failure.CLOSED
    assert (receiver.connections, len(receiver.requests)) == (2, 3)


async def test_a_reused_connection_that_dies_within_its_answer_is_not_replaced(client, receive):
    async def behave(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await peer.request()
        await peer.send(b"HTTP/1.1 2")

    receiver = await receive(behave)
    await client.post(receiver.target(), HEADERS, b"x", timeout=5)
    with pytest.raises(TransportError) as caught:
        await client.post(receiver.target(), HEADERS, b"x", timeout=5)
    assert caught.value.kind is Failure.CLOSED
    assert (receiver.connections, len(receiver.requests)) == (1, 2)


async def test_a_fresh_post_has_a_connection_of_its_own_and_is_made_once(client, receive):
    async def behave(peer):
        if receiver.connections == 1:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await peer.request()

    receiver = await receive(behave)
    await client.post(receiver.target(), HEADERS, b"x", timeout=5)
    with pytest.raises(TransportError) as caught:
        await client.post(receiver.target(), HEADERS, b"x", timeout=5, fresh=True)
    assert caught.value.kind is Failure.CLOSED
    assert (receiver.connections, len(receiver.requests)) == (2, 2)


async def test_idle_connections_are_bounded_per_origin_and_in_all(make_client, receive, until, ok):
    client = make_client(max_idle_per_origin=3, max_idle=5)
    one, other = await receive(ok), await receive(ok)
    await asyncio.gather(*(client.post(one.target(), HEADERS, b"x", timeout=5) for _ in range(10)))
    await until(lambda: client.open_connections == 3)
    await asyncio.gather(*(client.post(other.target(), HEADERS, b"x", timeout=5) for _ in range(10)))
    await until(lambda: client.open_connections == 5)
    opened = other.connections
    await asyncio.gather(*(client.post(other.target(), HEADERS, b"x", timeout=5) for _ in range(3)))
    assert other.connections == opened  # the longest idle ones made room


async def test_cancelling_a_post_closes_its_connection(client, receive, until, open_files):
    async def behave(peer):
        await peer.request()
        assert await peer.gone()

    receiver = await receive(behave)
    before = open_files()
    posts = [asyncio.create_task(client.post(receiver.target(), HEADERS, b"x", timeout=5)) for _ in range(20)]
    await until(lambda: len(receiver.requests) == 20)
    for post in posts:
        post.cancel()
    assert all(isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*posts, return_exceptions=True))
    await until(lambda: client.open_connections == 0 and not receiver.tasks)
    await until(lambda: open_files() <= before)


async def test_cancelling_at_any_moment_leaks_nothing(client, receive, until, ok):
    receiver = await receive(ok)
    await client.post(receiver.target(), HEADERS, b"x", timeout=5)
    for turns in range(30):
        post = asyncio.create_task(client.post(receiver.target(), HEADERS, b"x" * (turns % 2) * 300_000, timeout=5))
        for _ in range(turns):
            await asyncio.sleep(0)
        post.cancel()
        (end,) = await asyncio.gather(post, return_exceptions=True)
        assert isinstance(end, asyncio.CancelledError | Answer)
    assert (await client.post(receiver.target(), HEADERS, b"x", timeout=5)).status == 200
    await client.aclose()
    await until(lambda: not receiver.tasks)
    assert client.open_connections == 0


async def test_closing_the_client_ends_posts_under_way_as_no_fault_of_the_receiver(client, receive, until):
    async def behave(peer):
        await peer.request()
        await peer.gone()

    receiver = await receive(behave)
    post = asyncio.create_task(client.post(receiver.target(), HEADERS, b"x", timeout=5))
    await until(lambda: len(receiver.requests) == 1)
    await client.aclose()
    with pytest.raises(TransportError) as caught:
        await post
    assert caught.value.kind is Failure.LOCAL
    with pytest.raises(TransportError) as caught:
        await client.post(receiver.target(), HEADERS, b"x", timeout=5)
    assert caught.value.kind is Failure.LOCAL


async def test_closing_the_client_ends_a_lookup_under_way(make_client):
    async def never(_host, _port):
        resolving.set()
        await asyncio.Event().wait()

    resolving = asyncio.Event()
    client: HookClient = make_client(resolve=never)
    post = asyncio.create_task(client.post(parse_url("https://slow.example/"), HEADERS, b"x", timeout=60))
    await resolving.wait()
    await client.aclose()
    with pytest.raises(TransportError) as caught:
        await post
    assert caught.value.kind is Failure.LOCAL


@pytest.mark.parametrize("size", [64 * 1024, 64 * 1024 + 1, 1_000_000])
async def test_a_long_body_arrives_whole_at_a_receiver_that_reads_slowly(client, receive, size):
    async def behave(peer):
        for _ in range(2):
            await asyncio.sleep(0.02)
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    receiver = await receive(behave)
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    for _ in range(2):
        assert (await client.post(receiver.target(), HEADERS, body, timeout=5)).status == 200
    assert [request.endswith(b"\r\n\r\n" + body) for request in receiver.requests] == [True, True]
    assert receiver.connections == 1


async def test_an_answer_before_the_whole_body_was_read_counts_and_closes(client, receive, until):
    async def behave(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await done.wait()

    done = asyncio.Event()
    receiver = await receive(behave)
    answer = await client.post(receiver.target(), HEADERS, b"x" * 20_000_000, timeout=5)
    assert answer.status == 413
    await until(lambda: client.open_connections == 0)
    done.set()


@pytest.mark.usefixtures("many_files")
async def test_a_thousand_posts_wait_for_a_slow_receiver_together(client, receive, until):
    async def behave(peer):
        await peer.request()
        await release.wait()
        await peer.send(CLOSING)

    release = asyncio.Event()
    receiver = await receive(behave)
    posts = [asyncio.create_task(client.post(receiver.target(), HEADERS, b"x", timeout=20)) for _ in range(1000)]
    await until(lambda: len(receiver.requests) == 1000)
    release.set()
    answers = await asyncio.gather(*posts)
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"ok")}
    await until(lambda: client.open_connections == 0)


async def test_each_post_has_its_own_deadline_on_one_connection(client, receive, ok):
    async def behave(peer):
        await peer.request()
        await peer.send(ok)
        await peer.request()
        await peer.gone()

    receiver = await receive(behave)
    await client.post(receiver.target(), HEADERS, b"x", timeout=60)
    with pytest.raises(TransportError) as caught:
        await client.post(receiver.target(), HEADERS, b"x", timeout=0.05)
    assert caught.value.kind is Failure.TIMEOUT


async def test_an_earlier_deadline_does_not_end_a_later_request(client, receive, ok):
    async def behave(peer):
        await peer.request()
        await peer.send(ok)
        await peer.request()
        await asyncio.sleep(0.15)
        await peer.send(ok)

    receiver = await receive(behave)
    await client.post(receiver.target(), HEADERS, b"x", timeout=0.1)
    assert (await client.post(receiver.target(), HEADERS, b"x", timeout=5)).status == 200
    assert receiver.connections == 1
