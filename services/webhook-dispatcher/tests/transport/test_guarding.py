"""Nothing private is reachable: what is refused receives no connection, and what was checked is what is connected to."""

import asyncio
import errno
import socket
import sys
from ipaddress import ip_network

import pytest

from flowtask_webhook_dispatcher.transport import AddressPolicy, Failure, TransportError, parse_url
from flowtask_webhook_dispatcher.transport.connecting import failure_of


async def failure(client, target, timeout=5):  # noqa: ASYNC109  the client's own deadline
    with pytest.raises(TransportError) as caught:
        await client.post(target, [], b"x", timeout=timeout)
    return caught.value


class Names:
    """A resolver whose answers are written down beforehand, one per lookup; the last one stays."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.lookups = 0

    async def __call__(self, _host, _port):
        self.lookups += 1
        return self.answers[min(self.lookups, len(self.answers)) - 1]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0.0.0.0", "127.0.0.2", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "localhost"]
)
async def test_a_live_local_server_is_never_reached_without_permission(make_client, receive, ok, host):
    receiver = await receive(ok)
    strict = make_client(AddressPolicy())
    error = await failure(strict, receiver.target(host=host))
    assert error.kind is Failure.FORBIDDEN_ADDRESS
    assert receiver.connections == 0
    assert (await make_client().post(receiver.target(), [], b"x", timeout=5)).status == 200
    assert receiver.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1", "10.0.0.1"],
        ["10.0.0.1", "127.0.0.1"],
        ["127.0.0.1", "::ffff:127.0.0.1"],
        ["127.0.0.1", "nonsense"],
    ],
)
async def test_one_address_that_is_not_allowed_refuses_the_whole_name(make_client, receive, ok, answer):
    receiver = await receive(ok)
    error = await failure(make_client(resolve=Names(answer)), receiver.target(host="mixed.example"))
    assert error.kind is Failure.FORBIDDEN_ADDRESS
    assert receiver.connections == 0
    client = make_client(resolve=Names(["127.0.0.1"]))
    await client.post(receiver.target(host="mixed.example"), [], b"x", timeout=5)
    assert receiver.connections == 1


async def test_the_refusal_of_a_name_does_not_say_what_it_resolves_to(make_client):
    error = await failure(make_client(resolve=Names(["10.11.12.13"])), parse_url("https://inner.example/"))
    assert error.message == "The host name resolves to an address that webhooks may not go to."
    assert "10.11" not in str(error)


async def test_a_name_that_changes_its_address_is_looked_up_once_and_the_checked_address_is_used(
    make_client, receive, ok
):
    receiver = await receive(ok)
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    client = make_client(resolve=names)
    answer = await client.post(receiver.target(host="rebinding.example"), [], b"x", timeout=5)
    assert (answer.address, names.lookups, receiver.connections) == ("127.0.0.1", 1, 1)
    assert b"Host: rebinding.example:%d\r\n" % receiver.port in receiver.requests[0]
    await client.post(receiver.target(host="rebinding.example"), [], b"x", timeout=5)
    assert (names.lookups, receiver.connections) == (1, 1)  # the connection is on the checked address
    await client.aclose()
    assert (
        await failure(make_client(resolve=Names(["10.0.0.1"])), receiver.target(host="rebinding.example"))
    ).kind is Failure.FORBIDDEN_ADDRESS
    assert receiver.connections == 1


async def test_a_literal_is_not_looked_up(make_client, receive, ok):
    receiver = await receive(ok)
    names = Names([])
    await make_client(resolve=names).post(receiver.target(), [], b"x", timeout=5)
    assert names.lookups == 0


@pytest.mark.parametrize("location", ["http://127.0.0.1:{port}/inner", "https://example.com/"])
async def test_a_redirect_is_an_answer_and_nothing_more(make_client, receive, ok, location):
    inner = await receive(ok)
    outer = await receive(
        b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location.format(port=inner.port).encode()
    )
    client = make_client()
    assert (await client.post(outer.target(), [], b"x", timeout=5)).status == 302
    assert (inner.connections, outer.connections) == (0, 1)


async def test_http_is_refused_unless_allowed_even_for_a_target_parsed_elsewhere(make_client, receive, ok):
    receiver = await receive(ok)
    assert (await failure(make_client(allow_http=False), receiver.target())).kind is Failure.INVALID_URL
    assert receiver.connections == 0
    await make_client().post(receiver.target(), [], b"x", timeout=5)
    assert receiver.connections == 1


async def test_the_next_address_is_tried_if_one_refuses_the_connection(make_client, receive, ok):
    receiver = await receive(ok)
    names = Names(["127.0.0.9", "::1", "127.0.0.1", "127.0.0.1"])
    answer = await make_client(resolve=names).post(receiver.target(host="many.example"), [], b"x", timeout=5)
    assert (answer.address, names.lookups) == ("127.0.0.1", 1)


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere 127.0.0.9 is no address of the host, and full queues refuse"
)
async def test_an_address_that_does_not_answer_leaves_time_for_the_next_one(make_client, receive, ok):
    receiver = await receive(ok)
    with socket.socket() as full:  # a listener whose queue is full leaves the next connection unanswered
        full.bind(("127.0.0.9", receiver.port))
        full.listen(0)
        with socket.socket() as first, socket.socket() as second:
            for filler in (first, second):
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.9", receiver.port))
            names = Names(["127.0.0.9", "127.0.0.1"])
            answer = await make_client(resolve=names).post(receiver.target(host="many.example"), [], b"x", timeout=1)
    assert answer.address == "127.0.0.1"


async def test_no_address_taking_the_connection_is_a_connect_error_that_names_no_address(make_client, open_files):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        before = open_files()
        client = make_client(resolve=Names(["127.0.0.1"]))
        error = await failure(client, parse_url(f"http://closed.example:{port}/", allow_http=True))
        assert error.kind is Failure.CONNECT_REFUSED
        assert "127.0.0.1" not in error.message
        assert "refused" in error.message
        assert open_files() == before


@pytest.mark.parametrize(
    "problem",
    [
        socket.gaierror(socket.EAI_NONAME, "x"),
        socket.gaierror(socket.EAI_AGAIN, "x"),
        OSError("x"),
        TimeoutError("x"),
        UnicodeError("x"),
        None,
    ],
)
async def test_a_name_without_an_address_is_a_dns_error(make_client, problem):
    async def resolve(_host, _port):
        if problem is None:
            return []
        raise problem

    error = await failure(make_client(resolve=resolve), parse_url("https://nowhere.example/"))
    assert error.kind is Failure.DNS
    assert error.message.startswith("The host name ")


async def test_a_lookup_that_hangs_ends_at_the_deadline(make_client):
    async def resolve(_host, _port):
        await never.wait()

    never = asyncio.Event()
    assert (
        await failure(make_client(resolve=resolve), parse_url("https://slow.example/"), 0.1)
    ).kind is Failure.DNS_TIMEOUT


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere full queues refuse")
async def test_an_address_that_never_answers_is_a_connection_not_taken_in_time(make_client):
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.9", 0))
        full.listen(0)
        port = full.getsockname()[1]
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.9", port))
        client = make_client(resolve=Names(["127.0.0.9"]))
        error = await failure(client, parse_url(f"http://full.example:{port}/", allow_http=True), 0.2)
    assert (error.kind, error.message) == (Failure.CONNECT_TIMEOUT, "The receiver did not take the connection in time.")
    assert error.timings.connect is None
    assert error.timings.dns is not None


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ECONNREFUSED, Failure.CONNECT_REFUSED),
        (errno.ENETUNREACH, Failure.CONNECT_UNREACHABLE),
        (errno.EHOSTUNREACH, Failure.CONNECT_UNREACHABLE),
        (errno.EACCES, Failure.CONNECT_UNREACHABLE),
        (errno.ETIMEDOUT, Failure.CONNECT_TIMEOUT),
        (errno.ECONNRESET, Failure.CONNECT_FAILED),
        (errno.EMFILE, Failure.LOCAL),
        (errno.ENOBUFS, Failure.LOCAL),
        (errno.EADDRNOTAVAIL, Failure.LOCAL),
    ],
)
def test_what_the_operating_system_says_is_told_apart(number, kind):
    assert failure_of(OSError(number, "x")) is kind


async def test_an_allowed_network_opens_only_itself(make_client, receive, ok):
    receiver = await receive(ok)
    client = make_client(AddressPolicy([ip_network("127.0.0.1/32")]))
    assert (await failure(client, receiver.target(host="127.0.0.2"))).kind is Failure.FORBIDDEN_ADDRESS
    assert (await client.post(receiver.target(), [], b"x", timeout=5)).status == 200
