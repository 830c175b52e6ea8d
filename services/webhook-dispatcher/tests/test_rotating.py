"""What receivers see while a secret is changed: real deliveries by two replicas, verified as receivers verify them."""

import asyncio
import base64
import hashlib
import hmac
import secrets as random
import time

import pytest
from prometheus_client import REGISTRY
from standardwebhooks import Webhook, WebhookVerificationError

from flowtask_contracts.commands import EndOverlap, GetEndpointSecret, RotateSecret
from flowtask_contracts.errors import Conflict, FlowTaskError, ServiceUnavailable
from flowtask_kit.ids import new_id
from flowtask_webhook_dispatcher.keyring import KeyRing


def whsec(length):
    return "whsec_" + base64.b64encode(random.token_bytes(length)).decode()


OTHER_RING = "other:b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q="


def verifies(secret, request):
    try:
        Webhook(secret).verify(request.body, request.headers)
    except WebhookVerificationError:
        return False
    return True


def plain(secret, request):
    return f"sha256={hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()}"


def signed_by_both(request, old, new):
    """Either library call passes, the own header stays with the old secret, and the new one has a header beside it."""
    own = (request.headers["x-flowtask-signature"], request.headers.get("x-flowtask-signature-next"))
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    return verifies(old, request) and verifies(new, request) and own == (plain(old, request), plain(new, request))


def signed_by_one(request, secret, *others):
    assert len(request.headers["webhook-signature"].split(" ")) == 1
    assert "x-flowtask-signature-next" not in request.headers
    return (
        verifies(secret, request)
        and request.headers["x-flowtask-signature"] == plain(secret, request)
        and not any(verifies(other, request) for other in others)
    )


@pytest.fixture
def change(ask, workspace):
    async def asking(kind, endpoint, **more):
        named = {"command_id": new_id()} if kind.changes else {}
        return await ask(kind(workspace_id=workspace, endpoint_id=endpoint.id, **named, **more))

    return asking


@pytest.fixture
def sent(publish, until):
    """Publish so many events; their requests, once all have come."""

    async def send(receiver, number=12):
        events = [await publish() for _ in range(number)]
        await until(lambda: all(receiver.of(event) for event in events))
        return [request for event in events for request in receiver.of(event)]

    return send


@pytest.fixture
async def replicas(serve):
    return [await serve(), await serve()]


@pytest.mark.usefixtures("replicas")
async def test_both_secrets_sign_during_the_overlap_and_the_new_one_alone_afterwards(
    receive, subscribe, change, sent, rows_of
):
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    old = endpoint.secret
    assert all(signed_by_one(request, old) for request in await sent(receiver))
    rotated = await change(RotateSecret, endpoint, overlap_seconds=4)
    new, begun = rotated.secret, time.monotonic()
    during = await sent(receiver)
    assert time.monotonic() - begun < 4, "this machine is too slow for what is to be seen"
    assert all(signed_by_both(request, old, new) for request in during)

    await asyncio.sleep(max(0, 5 - (time.monotonic() - begun)))  # one second more: timestamps have whole ones
    assert all(signed_by_one(request, new, old) for request in await sent(receiver))
    [row] = await rows_of("endpoints")
    assert row["next_secret"] is not None  # nobody has written anything: it ended by the clock


@pytest.mark.usefixtures("replicas")
async def test_every_replica_takes_each_change_at_once(receive, subscribe, change, sent):
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    first = endpoint.secret
    for _ in range(3):
        second = (await change(RotateSecret, endpoint)).secret
        assert all(signed_by_both(request, first, second) for request in await sent(receiver, 6))
        await change(EndOverlap, endpoint)
        assert all(signed_by_one(request, second, first) for request in await sent(receiver, 6))
        third = (await change(RotateSecret, endpoint, overlap_seconds=0)).secret
        assert all(signed_by_one(request, third, first, second) for request in await sent(receiver, 6))
        first = third


@pytest.mark.parametrize("ending", [0, 1])
async def test_whichever_replica_is_left_alone_has_taken_the_change(replicas, receive, subscribe, change, sent, ending):
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    assert all(signed_by_one(request, endpoint.secret) for request in await sent(receiver))
    new = (await change(RotateSecret, endpoint)).secret
    await replicas[ending].stop()
    assert all(signed_by_both(request, endpoint.secret, new) for request in await sent(receiver))
    await change(EndOverlap, endpoint)
    assert all(signed_by_one(request, new, endpoint.secret) for request in await sent(receiver))


@pytest.mark.usefixtures("replicas")
async def test_a_secret_of_the_subscribers_own_signs(receive, subscribe, change, sent):
    first, second = whsec(24), whsec(64)
    receiver = await receive()
    endpoint = await subscribe(receiver.url, secret=first)
    assert all(signed_by_one(request, first) for request in await sent(receiver, 3))
    await change(RotateSecret, endpoint, secret=second)
    assert all(signed_by_both(request, first, second) for request in await sent(receiver, 3))


@pytest.mark.usefixtures("replicas")
async def test_retries_are_signed_with_what_holds_when_they_are_made(receive, subscribe, publish, change, until):
    receiver = await receive(lambda _request: 500 if len(receiver.requests) < 3 else 200)
    endpoint = await subscribe(receiver.url, retry_policy="custom", retry_schedule=(2, 2))
    event = await publish()
    await until(lambda: len(receiver.requests) == 1)
    new = (await change(RotateSecret, endpoint)).secret
    await until(lambda: len(receiver.requests) == 2)
    await change(EndOverlap, endpoint)
    await until(lambda: len(receiver.requests) == 3)
    first, second, third = receiver.of(event)
    assert signed_by_one(first, endpoint.secret)
    assert signed_by_both(second, endpoint.secret, new)
    assert signed_by_one(third, new, endpoint.secret)
    assert first.body == second.body == third.body


async def test_an_endpoint_whose_key_is_missing_waits_and_harms_nobody_until_the_key_is_back(
    serve, receive, subscribe, publish, until, change, delivery
):
    lost, other = await receive(), await receive()
    first = await serve()
    endpoint = await subscribe(lost.url)
    old, new = endpoint.secret, (await change(RotateSecret, endpoint)).secret
    await first.stop()
    second = await serve(webhooks_secret_keys=OTHER_RING)
    await subscribe(other.url)
    event = await publish()
    await until(lambda: other.of(event))

    async def waiting():
        found = await delivery(endpoint, event)
        return found is not None and (found.status, found.attempts) == ("pending", 0)

    await until(waiting)
    assert REGISTRY.get_sample_value("flowtask_webhook_unreadable_secrets") == 1
    await second.stop()
    assert lost.requests == []

    await serve(webhooks_secret_keys=f"{OTHER_RING},test:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=")
    await until(lambda: lost.of(event), 20)
    assert signed_by_both(lost.requests[0], old, new)
    assert REGISTRY.get_sample_value("flowtask_webhook_unreadable_secrets") == 0


async def test_replicas_that_run_learn_nothing_of_a_new_key_and_go_on(serve, settings, receive, subscribe, sent, sql):
    receiver = await receive()
    await serve()
    endpoint = await subscribe(receiver.url)
    assert all(signed_by_one(request, endpoint.secret) for request in await sent(receiver, 1))
    new = KeyRing.parse(OTHER_RING).encrypt(endpoint.id, endpoint.secret)
    await sql("UPDATE webhooks.endpoints SET secret = $1", new)
    assert all(signed_by_one(request, endpoint.secret) for request in await sent(receiver, 3))
    both = f"{OTHER_RING},{settings().webhooks_secret_keys.get_secret_value()}"
    await serve(webhooks_secret_keys=both)
    assert all(signed_by_one(request, endpoint.secret) for request in await sent(receiver, 12))


async def test_the_program_says_no_secret_whatever_it_does_with_it(
    spawn, receive, subscribe, change, sent, sql, settings, until
):
    process = await spawn(FLOWTASK_LOG_LEVEL="debug", PYTHONASYNCIODEBUG="1")
    receiver, own = await receive(), [whsec(32) for _ in range(3)]
    endpoint = await subscribe(receiver.url, secret=own[0])
    secrets = [*own, (await change(RotateSecret, endpoint, overlap_seconds=0)).secret]
    await change(RotateSecret, endpoint, secret=own[1])
    with pytest.raises(Conflict):
        await change(RotateSecret, endpoint, secret=own[2])
    await sent(receiver, 3)
    assert (await change(GetEndpointSecret, endpoint)).secret == own[1]
    await sql("ALTER TABLE webhooks.endpoints RENAME TO away")  # what fails here says a lot
    with pytest.raises(FlowTaskError):
        await change(RotateSecret, endpoint, secret=own[2], overlap_seconds=0)
    with pytest.raises(FlowTaskError):
        await subscribe(receiver.url, secret=own[2])
    await sql("ALTER TABLE webhooks.away RENAME TO endpoints")
    await sql(
        "UPDATE webhooks.endpoints SET secret = secret || 'x', next_secret = secret || 'x', revision = revision + 1"
    )
    await sql("UPDATE webhooks.endpoint_revision SET revision = revision + 1")
    with pytest.raises(ServiceUnavailable):
        await change(GetEndpointSecret, endpoint)
    await until(lambda: any("no key of the ring" in line for line in process.log_lines))
    assert await asyncio.to_thread(process.terminate) == 0

    said = "\n".join(process.log_lines)
    assert said.count("command failed") == 2
    keys = settings().webhooks_secret_keys.get_secret_value().partition(":")[2]
    for each in (keys, *secrets):
        assert each.removeprefix("whsec_") not in said
