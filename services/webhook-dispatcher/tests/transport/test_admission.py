"""What is asked when an endpoint is saved; what is dialled is in test_hostile_targets and test_guarding."""

import asyncio
import socket
import time
from ipaddress import ip_network

import pytest

from flowtask_webhook_dispatcher.transport import AddressPolicy, Admission, Failure, TransportError, parse_url

URL = "https://hooks.example/x"


def admission(*answers, **options):
    """One whose name server gives these answers in turn, the last one for ever; an exception is raised."""
    left = list(answers)

    async def resolve(_host, _port):
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return Admission(AddressPolicy(options.pop("allowed", ())), resolve=resolve, **options)


async def test_a_name_with_public_addresses_is_no_objection():
    assert await admission(["8.8.8.8", "2606:4700::1111"]).objection(URL) is None


@pytest.mark.parametrize(
    "problem",
    [
        socket.gaierror(socket.EAI_NONAME, "x"), socket.gaierror(socket.EAI_AGAIN, "x"), OSError("x"), TimeoutError("x"), UnicodeError("x"),
        [],
    ],
)  # fmt: skip
async def test_a_name_that_does_not_resolve_now_is_no_objection_and_is_asked_again_later(problem):
    door = admission(problem, ["10.0.0.1"])
    assert await door.objection(URL) is None
    assert await door.objection(URL) == "The host name resolves to an address that webhooks may not go to."


async def test_a_name_server_that_hangs_is_waited_for_a_little_and_is_no_objection():
    async def hang(_host, _port):
        await asyncio.Event().wait()

    begun = time.monotonic()
    assert await Admission(AddressPolicy(), resolve=hang).objection(URL, patience=0.1) is None
    assert 0.05 <= time.monotonic() - begun < 1.5


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hooks.example/", "the URL must begin with https://"),
        ("https://hooks.example:8443/", "Webhooks may not go to port 8443, only to 443, 9443 and 10000-10010."),
        ("https://10.0.0.1/", "Webhooks may not go to the address 10.0.0.1: private use (RFC 1918)."),
        ("https://[::1]/", "Webhooks may not go to the address ::1: loopback (RFC 4291)."),
        ("https://hooks.example:9443/", None),
        ("https://hooks.example:10005/", None),
        ("https://hooks.example:443/", None),
        ("https://8.8.4.4/", None),
    ],
)
async def test_an_objection_is_in_words(url, words):
    ports = (range(9443, 9444), range(10_000, 10_011))
    assert await admission(["8.8.8.8"], ports=ports).objection(url) == words


@pytest.mark.parametrize(("port", "allowed"), [(80, True), (443, True), (8080, False)])
async def test_port_80_is_open_only_where_http_is(port, allowed):
    url = f"http://hooks.example:{port}/"
    assert (await admission(["8.8.8.8"], allow_http=True).objection(url) is None) == allowed
    with pytest.raises(TransportError) as caught:
        await admission(["8.8.8.8"]).addresses(parse_url("https://hooks.example:80/"))
    assert caught.value.kind is Failure.FORBIDDEN_PORT
    assert str(caught.value) == "forbidden_port: Webhooks may not go to port 80, only to 443."


async def test_addresses_come_once_each_in_the_order_of_the_name_server_as_they_were_judged():
    door = admission(["8.8.8.8", "2606:4700:0:0::1111", "8.8.8.8", "1.1.1.1"])
    assert await door.addresses(parse_url(URL)) == ["8.8.8.8", "2606:4700::1111", "1.1.1.1"]


async def test_an_allowed_network_is_allowed_behind_a_name_too():
    door = admission(["10.0.0.1"], ["10.0.0.1", "10.0.0.2"], allowed=[ip_network("10.0.0.1/32")])
    assert await door.objection(URL) is None
    assert await door.objection(URL) is not None


async def test_the_systems_resolver_is_asked_by_default():
    door = Admission(AddressPolicy())
    assert await door.objection("https://localhost/") is not None
    door.close()
