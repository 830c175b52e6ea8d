"""Receivers that are broken, slow or malicious cost us one capped read and one deadline."""

import asyncio

import pytest

from flowtask_webhook_dispatcher.transport import Failure, TransportError

PATIENCE = 0.2  # seconds a post waits for what never comes
SOME = 0.8  # seconds a post waits for an answer that begins at once and never ends
HEAD = b"HTTP/1.1 200 OK\r\n"


async def post(client, receiver, timeout=PATIENCE):  # noqa: ASYNC109  the client's own deadline is what is tested
    """The outcome, which must come by the deadline, give or take a slow machine."""
    async with asyncio.timeout(timeout + 2):
        return await client.post(receiver.target(), [], b"x", timeout=timeout)


async def failure(client, receiver, timeout=PATIENCE):  # noqa: ASYNC109  as above
    with pytest.raises(TransportError) as caught:
        await post(client, receiver, timeout)
    return caught.value.kind


def sends(*pieces, then="close"):
    async def behave(peer):
        await peer.request()
        for piece in pieces:
            await peer.send(piece)
        if then == "reset":
            peer.reset()
        elif then == "end":
            peer.end()
            await peer.gone()
        elif then == "wait":
            await peer.gone()

    return behave


def floods(start, piece, sent=None):
    async def behave(peer):
        await peer.request()
        await peer.send(start)
        while True:
            await peer.send(piece)
            await asyncio.sleep(0)  # both ends share the loop
            if sent is not None:
                sent.append(len(piece))

    return behave


def trickles(start, piece):
    async def behave(peer):
        await peer.request()
        await peer.send(start)
        while True:
            await peer.send(piece)
            await asyncio.sleep(0.005)

    return behave


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n", 200, b"abcde"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 200, b"a"),
        (b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" * 8 + HEAD + b"Content-Length: 1\r\n\r\na", 200, b"a"),
        (HEAD + b"\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.0 404 No\r\n\r\nold", 404, b"old"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b""),
        (HEAD + b"Content-Length: 0\r\n\r\n", 200, b""),
        (b"\r\n\r\n" + HEAD + b"Content-Length: 1\r\n\r\na", 200, b"a"),
        (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\na", 200, b"a"),
    ],
)
@pytest.mark.parametrize("in_pieces", [False, True])
async def test_every_lawful_framing_is_read_whole(client, receive, answer, status, body, in_pieces):
    pieces = [bytes([byte]) for byte in answer] if in_pieces else [answer]
    got = await post(client, await receive(sends(*pieces)), timeout=5)
    assert (got.status, got.body, got.truncated) == (status, body, False)


@pytest.mark.parametrize(
    "answer",
    [
        b"\0\1\2\3\xff", b"SSH-2.0-OpenSSH_9.9\r\n", b"220 mail ESMTP\r\n", b"-ERR unknown command\r\n", b"<html></html>",
        b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n", b"HTTP/1.1 000 OK\r\n\r\n", b"HTTP/1.1 099 OK\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n",
        HEAD + b"No colon\r\n\r\n", HEAD + b"X: \0\r\n\r\n", HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\na",
        HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 103 Early\r\n\r\n" * 9 + HEAD + b"Content-Length: 0\r\n\r\n",
        HEAD + b"X: y\r\n" * 101 + b"Content-Length: 0\r\n\r\n", HEAD + b"X: " + b"y" * 40_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 " + b"y" * 40_000 + b"\r\n\r\n", HEAD + (b"X: " + b"y" * 1000 + b"\r\n") * 40 + b"\r\n",
    ],
)  # fmt: skip
async def test_what_is_not_http_or_too_much_of_it_is_a_protocol_error(client, receive, until, answer):
    assert await failure(client, await receive(sends(answer, then="wait")), 5) is Failure.INVALID_ANSWER
    await until(lambda: client.open_connections == 0)


@pytest.mark.parametrize("then", ["close", "reset", "end"])
@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 2", HEAD + b"X: y\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_hanging_up_before_the_end_of_the_head_is_no_answer(client, receive, start, then):
    assert await failure(client, await receive(sends(start, then=then)), 5) is Failure.CLOSED


@pytest.mark.parametrize(
    "start",
    [
        HEAD + b"Content-Length: 5\r\n\r\nab",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
@pytest.mark.parametrize("then", ["close", "end", "wait"])
async def test_an_answer_whose_body_breaks_off_counts_with_its_status(client, receive, until, start, then):
    answer = await post(client, await receive(sends(start, then=then)), SOME)
    assert (answer.status, answer.body, answer.truncated) == (200, b"ab", True)
    await until(lambda: client.open_connections == 0)


async def test_garbage_within_the_body_breaks_it_off(client, receive):
    receiver = await receive(sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n", then="wait"))
    answer = await post(client, receiver, 5)
    assert (answer.status, answer.body, answer.truncated) == (200, b"ab", True)


@pytest.mark.parametrize(
    "length", [b"Content-Length: 100000000\r\n\r\n", b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n5f5e100\r\n"]
)
async def test_a_body_of_100_mb_is_read_to_the_cap_and_no_further(client, receive, until, length):
    sent = []
    receiver = await receive(floods(HEAD + length, b"x" * 65_536, sent))
    answer = await post(client, receiver, 5)
    assert (answer.status, answer.body, answer.truncated) == (200, b"x" * 16_384, True)
    await until(lambda: client.open_connections == 0 and not receiver.tasks)
    assert sum(sent) < 30_000_000  # what the sockets' buffers took


@pytest.mark.parametrize(("size", "truncated"), [(9, False), (10, False), (11, True)])
async def test_the_cap_is_exact(make_client, receive, size, truncated):
    client = make_client(max_body=10)
    receiver = await receive(HEAD + b"Content-Length: %d\r\n\r\n" % size + b"x" * size)
    answer = await post(client, receiver, 5)
    assert (answer.body, answer.truncated) == (b"x" * min(size, 10), truncated)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (HEAD, b"X: y\r\n"),
        (HEAD + b"X: ", b"y" * 1000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"\r\n" * 500),
        (b"HTTP/1.1 200 ", b"y" * 1000),
    ],
)
async def test_an_endless_head_is_a_protocol_error(client, receive, start, piece):
    assert await failure(client, await receive(floods(start, piece)), 5) is Failure.INVALID_ANSWER


async def test_endless_chunk_extensions_are_cut_off_long_before_the_deadline(client, receive):
    receiver = await receive(floods(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 1000))
    answer = await post(client, receiver, 5)
    assert (answer.status, answer.body, answer.truncated) == (200, b"", True)
    assert answer.timings.total < 4


async def test_endless_trailers_are_cut_off_long_before_the_deadline(client, receive):
    receiver = await receive(floods(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", b"X: y\r\n" * 100))
    answer = await post(client, receiver, 5)
    assert (answer.body, answer.truncated, len(answer.headers)) == (b"a", True, 1)
    assert answer.timings.total < 4


@pytest.mark.parametrize(("start", "piece"), [(b"", b"\r\n"), (HEAD + b"X: ", b"y"), (b"HTTP/1.1 ", b"")])
async def test_a_trickled_head_ends_at_the_deadline(client, receive, until, start, piece):
    receiver = await receive(trickles(start, piece))
    assert await failure(client, receiver) is Failure.TIMEOUT
    await until(lambda: client.open_connections == 0)


@pytest.mark.parametrize("head", [b"Content-Length: 1000\r\n\r\n", b"\r\n"])
async def test_a_trickled_body_ends_at_the_deadline_and_its_status_counts(client, receive, until, head):
    answer = await post(client, await receive(trickles(HEAD + head, b"x")), SOME)
    assert (answer.status, answer.truncated) == (200, True)
    assert 0 < len(answer.body) < 1000
    assert answer.timings.total + 0.01 >= PATIENCE
    await until(lambda: client.open_connections == 0)


async def test_silence_ends_at_the_deadline(client, receive, until):
    receiver = await receive(sends(then="wait"))
    assert await failure(client, receiver) is Failure.TIMEOUT
    await until(lambda: client.open_connections == 0 and not receiver.tasks)


async def test_a_receiver_that_reads_nothing_of_a_long_body_ends_at_the_deadline(client, receive, until):
    async def behave(_peer):
        await done.wait()

    done = asyncio.Event()
    receiver = await receive(behave)
    with pytest.raises(TransportError) as caught:
        await client.post(receiver.target(), [], b"x" * 20_000_000, timeout=PATIENCE)
    assert caught.value.kind is Failure.TIMEOUT
    await until(lambda: client.open_connections == 0)
    done.set()


async def test_a_receiver_that_speaks_first_or_hangs_up_at_once_gives_an_error(client, receive):
    async def behave(peer):
        await peer.send(b"220 mail ESMTP\r\n")

    for _ in range(20):
        assert await failure(client, await receive(behave), 5) in {Failure.CLOSED, Failure.INVALID_ANSWER}


async def test_a_hostile_receiver_does_not_hold_up_another(client, receive, ok):
    flood = await receive(floods(HEAD + b"X: ", b"y" * 1000))
    silent = await receive(sends(then="wait"))
    good = await receive(ok)
    flooded = [asyncio.create_task(failure(client, flood, 20)) for _ in range(20)]
    silenced = [asyncio.create_task(failure(client, silent)) for _ in range(20)]
    for _ in range(20):
        assert (await post(client, good, 20)).status == 200
    assert set(await asyncio.gather(*flooded)) == {Failure.INVALID_ANSWER}
    assert set(await asyncio.gather(*silenced)) <= {
        Failure.TIMEOUT,
        Failure.CONNECT_TIMEOUT,
    }  # a busy machine connects late
