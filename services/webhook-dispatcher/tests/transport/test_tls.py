"""TLS: the certificate must be valid, trusted and the host's own."""

import asyncio
import datetime as dt
import ssl

import pytest

from flowtask_webhook_dispatcher.transport import AddressPolicy, Admission, Failure, HookClient, TransportError

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


async def to_loopback(_host, _port):
    return ["127.0.0.1"]


@pytest.fixture
def client(make_client, trusted):
    return make_client(allow_http=False, tls=trusted.client_context(), resolve=to_loopback)


async def failure(client, target, timeout=5):  # noqa: ASYNC109  the client's own deadline
    with pytest.raises(TransportError) as caught:
        await client.post(target, [], b"x", timeout=timeout)
    return caught.value


@pytest.mark.parametrize("host", ["hooks.example", "127.0.0.1"])
async def test_a_trusted_certificate_for_the_host_is_accepted_and_the_connection_reused(
    client, receive, trusted, ok, host
):
    receiver = await receive(ok, tls=trusted.server_context(host))
    for _ in range(5):
        answer = await client.post(receiver.target(host=host, scheme="https"), [], b"x", timeout=5)
        assert (answer.status, answer.body, answer.address) == (200, b"ok", "127.0.0.1")
    assert receiver.connections == 1


@pytest.mark.parametrize(
    ("certificate", "kind", "words"),
    [
        ({"host": "other.example"}, Failure.TLS_WRONG_HOST, "The certificate is for another host."),
        ({"host": "127.0.0.1"}, Failure.TLS_WRONG_HOST, "The certificate is for another host."),
        ({"ends": NOW - DAY}, Failure.TLS_EXPIRED, "The certificate has expired."),
        ({"begins": NOW + DAY, "ends": NOW + 2 * DAY}, Failure.TLS_NOT_YET_VALID, "The certificate is not valid yet."),
        ({"signed": "by itself"}, Failure.TLS_SELF_SIGNED, "The certificate is self-signed."),
        ({"signed": "untrusted"}, Failure.TLS_UNKNOWN_AUTHORITY, Failure.TLS_UNKNOWN_AUTHORITY.explanation),
        ({"signed": "untrusted, sent along"}, Failure.TLS_UNKNOWN_AUTHORITY, Failure.TLS_UNKNOWN_AUTHORITY.explanation),
    ],
)
async def test_what_is_wrong_with_a_certificate_is_told_and_nothing_is_sent(
    client, receive, trusted, untrusted, ok, certificate, kind, words
):
    signed = certificate.get("signed", "trusted")
    more = {name: value for name, value in certificate.items() if name != "signed"}
    authority = trusted if signed == "trusted" else untrusted
    context = authority.server_context(
        **{"host": "hooks.example", **more}, by_itself=signed == "by itself", sent_along=signed.endswith("along")
    )
    receiver = await receive(ok, tls=context)
    error = await failure(client, receiver.target(host="hooks.example", scheme="https"))
    assert (error.kind, error.message) == (kind, words)
    assert not kind.ours
    assert not kind.final
    assert receiver.requests == []


async def test_a_certificate_for_a_name_is_not_one_for_its_address(client, receive, trusted, ok):
    receiver = await receive(ok, tls=trusted.server_context("hooks.example"))
    assert (await failure(client, receiver.target(scheme="https"))).kind is Failure.TLS_WRONG_HOST
    assert receiver.requests == []


async def test_the_system_authorities_are_the_default(make_client, receive, trusted, ok):
    receiver = await receive(ok, tls=trusted.server_context("hooks.example"))
    client = make_client(tls=None, resolve=to_loopback)
    error = await failure(client, receiver.target(host="hooks.example", scheme="https"))
    assert error.kind is Failure.TLS_UNKNOWN_AUTHORITY


async def test_a_receiver_without_tls_is_a_tls_error(client, receive):
    async def behave(peer):
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    receiver = await receive(behave)
    assert (await failure(client, receiver.target(host="hooks.example", scheme="https"))).kind is Failure.TLS


async def test_hanging_up_during_the_handshake_is_a_tls_error(client, receive, until, open_files):
    async def behave(peer):
        peer.reset()

    receiver = await receive(behave)
    before = open_files()
    assert (await failure(client, receiver.target(host="hooks.example", scheme="https"))).kind is Failure.TLS
    await until(lambda: open_files() <= before)


async def test_a_handshake_that_hangs_ends_at_the_deadline_and_leaves_nothing_open(client, receive, until, open_files):
    async def behave(peer):
        while not await peer.gone():
            pass

    receiver = await receive(behave)
    before = open_files()
    assert (
        await failure(client, receiver.target(host="hooks.example", scheme="https"), 0.2)
    ).kind is Failure.TLS_TIMEOUT
    await until(lambda: not receiver.tasks and open_files() <= before)


async def test_cancelling_within_the_handshake_leaves_nothing_open(client, receive, until, trusted, ok, open_files):
    receiver = await receive(ok, tls=trusted.server_context("hooks.example"))
    target = receiver.target(host="hooks.example", scheme="https")
    before = open_files()
    for turns in range(25):
        post = asyncio.create_task(client.post(target, [], b"x", timeout=5))
        for _ in range(turns):
            await asyncio.sleep(0)
        post.cancel()
        await asyncio.gather(post, return_exceptions=True)
    await client.aclose()
    await until(lambda: open_files() <= before)


async def test_a_megabyte_goes_through_tls(client, receive, trusted):
    async def behave(peer):
        await asyncio.sleep(0.02)
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")

    receiver = await receive(behave, tls=trusted.server_context("hooks.example"))
    answer = await client.post(receiver.target(host="hooks.example", scheme="https"), [], b"x" * 1_000_000, timeout=5)
    assert (answer.body, len(receiver.requests[0]) > 1_000_000) == (b"until the end", True)


async def test_a_flood_through_tls_is_cut_off(client, receive, until, trusted):
    async def behave(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.send(b"x" * 65_536)
            await asyncio.sleep(0)

    receiver = await receive(behave, tls=trusted.server_context("hooks.example"))
    answer = await client.post(receiver.target(host="hooks.example", scheme="https"), [], b"x", timeout=5)
    assert (len(answer.body), answer.truncated) == (16_384, True)
    await until(lambda: client.open_connections == 0)


def unverified():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def any_host():
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


@pytest.mark.parametrize("make", [unverified, any_host])
def test_a_context_that_does_not_verify_is_refused(make):
    with pytest.raises(ValueError, match="verify"):
        HookClient(Admission(AddressPolicy()), tls=make())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_context_that_takes_old_tls_is_refused():
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ValueError, match="below"):
        HookClient(Admission(AddressPolicy()), tls=context)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_receiver_that_knows_only_old_tls_is_refused(client, receive, trusted, ok):
    context = trusted.server_context("hooks.example")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    old = await receive(ok, tls=context)
    assert (await failure(client, old.target(host="hooks.example", scheme="https"))).kind is Failure.TLS
    assert old.requests == []
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert (await client.post(old.target(host="hooks.example", scheme="https"), [], b"x", timeout=5)).status == 200
