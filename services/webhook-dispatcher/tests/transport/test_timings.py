"""How long each part of an attempt took, as far as it went."""

import asyncio

import pytest

from flowtask_webhook_dispatcher.transport import Failure, Timings, TransportError, parse_proxy


async def slowly(_host, _port):
    await asyncio.sleep(0.05)
    return ["127.0.0.1"]


def pausing(ok):
    async def behave(peer):
        while True:
            await peer.request()
            await asyncio.sleep(0.05)
            await peer.send(ok[:20])
            await asyncio.sleep(0.05)
            await peer.send(ok[20:])

    return behave


async def test_a_new_connection_tells_every_part_and_a_kept_one_only_the_last_two(make_client, receive, trusted, ok):
    receiver = await receive(pausing(ok), tls=trusted.server_context("hooks.example"))
    client = make_client(resolve=slowly, tls=trusted.client_context())
    target = receiver.target(host="hooks.example", scheme="https")
    new = (await client.post(target, [], b"x", timeout=5)).timings
    assert new.dns >= 0.045
    assert new.connect > 0
    assert new.tls > 0
    assert new.first_byte >= 0.045
    assert new.total >= new.dns + new.connect + new.tls + new.first_byte + 0.045
    kept = (await client.post(target, [], b"x", timeout=5)).timings
    assert kept[:3] == (None, None, None)
    assert kept.first_byte >= 0.045
    assert kept.total >= kept.first_byte + 0.045


async def test_a_literal_has_no_lookup_and_http_no_tls(client, receive, ok):
    receiver = await receive(ok)
    timings = (await client.post(receiver.target(), [], b"x", timeout=5)).timings
    assert (timings.dns, timings.tls) == (None, None)
    assert timings.connect > 0


async def test_the_tunnel_is_part_of_connecting(make_client, receive, connect_proxy, ok):
    async def answer(reader, writer):
        await asyncio.sleep(0.05)
        await proxy._tunnel(reader, writer, receiver.port)

    receiver = await receive(ok)
    proxy = await connect_proxy(answer=answer)
    client = make_client(proxy=parse_proxy(proxy.url))
    assert (await client.post(receiver.target(), [], b"x", timeout=5)).timings.connect >= 0.045


async def failed(client, target, timeout=5) -> tuple[Failure, Timings]:  # noqa: ASYNC109  the client's own deadline
    with pytest.raises(TransportError) as caught:
        await client.post(target, [], b"x", timeout=timeout)
    assert caught.value.timings is not None
    return caught.value.kind, caught.value.timings


async def test_a_failure_tells_what_went_before_it(make_client, receive, trusted):
    async def silent(peer):
        while not await peer.gone():
            pass

    async def garbage(peer):
        await peer.request()
        await peer.send(b"220 mail ESMTP\r\n")

    client = make_client(resolve=slowly, tls=trusted.client_context())
    hanging = await receive(silent)
    kind, timings = await failed(client, hanging.target(host="hooks.example"), 0.02)
    assert (kind, timings[:4]) == (Failure.DNS_TIMEOUT, (None, None, None, None))
    kind, timings = await failed(client, hanging.target(host="hooks.example", scheme="https"), 0.15)
    assert (kind, timings.tls, timings.first_byte) == (Failure.TLS_TIMEOUT, None, None)
    assert timings.dns >= 0.045
    assert timings.connect > 0
    assert timings.total >= 0.14
    kind, timings = await failed(client, (await receive(garbage)).target())
    assert (kind, timings.dns) == (Failure.INVALID_ANSWER, None)
    assert timings.first_byte > 0


async def test_a_replaced_connection_tells_of_its_replacement(client, receive):
    async def behave(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await peer.request()

    receiver = await receive(behave)
    await client.post(receiver.target(), [], b"x", timeout=5)
    answer = await client.post(receiver.target(), [], b"x", timeout=5)
    assert receiver.connections == 2
    assert answer.timings.connect > 0
