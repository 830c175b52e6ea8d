"""Signatures of which receivers know the public half alone: real deliveries, verified by OpenSSL."""

import base64
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

from flowtask_contracts.commands import (
    DeleteEndpoint,
    EndOverlap,
    GetDelivery,
    GetEndpoint,
    GetPublicKeys,
    RotateSecret,
    UpdateEndpoint,
)
from flowtask_contracts.errors import FlowTaskError, NotFound
from flowtask_kit.ids import new_id
from flowtask_webhook_dispatcher.keyring import KeyRing

BOTH = ("hmac", "ed25519")


@pytest.fixture
def change(ask, workspace):
    async def asking(kind, endpoint, **more):
        named = {"command_id": new_id()} if kind.changes else {}
        return await ask(kind(workspace_id=workspace, endpoint_id=endpoint.id, **named, **more))

    return asking


@pytest.fixture
def sent(receive, publish, until):
    """What an event comes as."""

    class Sent:
        async def begin(self):
            self.receiver = await receive()
            return self.receiver.url

        async def one(self):
            event = await publish()
            [request] = await until(lambda: self.receiver.of(event))
            return request

    return Sent()


def versions(request):
    return [entry.split(",")[0] for entry in request.headers["webhook-signature"].split(" ")]


def verifies(key, request):
    """By one public key of the set, as a receiver would that has only that."""
    padded = key.x + "=" * (-len(key.x) % 4)
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(padded))
    assert base64.b64decode(key.whpk.removeprefix("whpk_")) == public.public_bytes_raw()
    message = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    for entry in request.headers["webhook-signature"].split(" "):
        version, signature = entry.split(",")
        if version == "v1a":
            try:
                public.verify(base64.b64decode(signature), message)
            except InvalidSignature:
                continue
            return True
    return False


async def test_requests_are_signed_by_a_key_of_the_endpoint_beside_the_secret(
    serve, sent, subscribe, change, ask, deliveries, workspace
):
    await serve()
    url = await sent.begin()
    endpoint = await subscribe(url, signatures=BOTH)
    other = await subscribe(url, workspace_id=new_id(), signatures=BOTH)
    assert endpoint.signatures == BOTH
    request = await sent.one()
    assert versions(request) == ["v1", "v1a"]
    Webhook(endpoint.secret).verify(request.body, request.headers)
    [key] = (await change(GetPublicKeys, endpoint)).keys
    assert (key.kty, key.crv, key.alg, key.use, key.signs_until) == ("OKP", "Ed25519", "EdDSA", "sig", None)
    assert verifies(key, request)
    with pytest.raises(NotFound):
        await change(GetPublicKeys, other)
    [item] = await deliveries(endpoint)
    detail = await ask(GetDelivery(workspace_id=workspace, delivery_id=item.id))
    shown = (
        (await change(GetEndpoint, endpoint)).model_dump_json() + detail.model_dump_json() + endpoint.model_dump_json()
    )
    assert "whsk_" not in shown


async def test_an_endpoint_without_one_is_sent_what_it_always_was(serve, sent, subscribe, change):
    await serve()
    endpoint = await subscribe(await sent.begin())
    assert endpoint.signatures == ("hmac",)
    assert versions(await sent.one()) == ["v1"]
    assert (await change(GetPublicKeys, endpoint)).keys == ()


async def test_it_is_turned_on_and_off_and_another_key_comes_each_time(serve, sent, subscribe, change):
    await serve()
    endpoint = await subscribe(await sent.begin())
    assert (await change(UpdateEndpoint, endpoint, signatures=BOTH)).signatures == BOTH
    [first] = (await change(GetPublicKeys, endpoint)).keys
    assert verifies(first, await sent.one())
    await change(UpdateEndpoint, endpoint, signatures=BOTH, description="it stays")
    assert (await change(GetPublicKeys, endpoint)).keys == (first,)
    await change(UpdateEndpoint, endpoint, signatures=("hmac",))
    assert versions(await sent.one()) == ["v1"]
    await change(UpdateEndpoint, endpoint, signatures=BOTH)
    [second] = (await change(GetPublicKeys, endpoint)).keys
    assert second.kid != first.kid
    assert verifies(second, await sent.one())


async def test_the_key_changes_with_the_secret_and_both_sign_during_the_overlap(serve, sent, subscribe, change):
    await serve()
    endpoint = await subscribe(await sent.begin(), signatures=BOTH)
    [old] = (await change(GetPublicKeys, endpoint)).keys
    rotated = await change(RotateSecret, endpoint)
    before, after = (await change(GetPublicKeys, endpoint)).keys
    assert (before.kid, before.signs_until, after.signs_until) == (old.kid, rotated.previous_secret_until, None)
    request = await sent.one()
    assert versions(request) == ["v1", "v1", "v1a", "v1a"]
    assert verifies(before, request)
    assert verifies(after, request)
    await change(EndOverlap, endpoint)
    assert (await change(GetPublicKeys, endpoint)).keys == (after,)
    request = await sent.one()
    assert versions(request) == ["v1", "v1a"]
    assert verifies(after, request)
    assert not verifies(before, request)
    await change(RotateSecret, endpoint, overlap_seconds=0)
    [newest] = (await change(GetPublicKeys, endpoint)).keys
    assert newest.kid not in {before.kid, after.kid}
    assert verifies(newest, await sent.one())


async def test_the_old_key_stops_by_the_clock_when_the_overlap_is_over(serve, sent, subscribe, change, until):
    await serve()
    endpoint = await subscribe(await sent.begin(), signatures=BOTH)
    ends = (await change(RotateSecret, endpoint, overlap_seconds=1)).previous_secret_until.timestamp()
    await until(lambda: time.time() > ends + 1)
    [key] = (await change(GetPublicKeys, endpoint)).keys
    request = await sent.one()
    assert versions(request) == ["v1", "v1a"]
    assert verifies(key, request)


async def test_a_key_that_is_made_during_an_overlap_signs_once_and_stays(serve, sent, subscribe, change):
    await serve()
    endpoint = await subscribe(await sent.begin())
    await change(RotateSecret, endpoint)
    await change(UpdateEndpoint, endpoint, signatures=BOTH)
    [key] = (await change(GetPublicKeys, endpoint)).keys
    request = await sent.one()
    assert versions(request) == ["v1", "v1", "v1a"]
    assert verifies(key, request)
    await change(EndOverlap, endpoint)
    request = await sent.one()
    assert versions(request) == ["v1", "v1a"]
    assert verifies(key, request)


async def test_keys_are_at_rest_under_the_ring_and_gone_with_their_endpoint(serve, subscribe, change, rows_of):
    await serve()
    endpoint = await subscribe("http://127.0.0.1:1/", signatures=BOTH)
    await change(RotateSecret, endpoint)
    [row] = await rows_of("endpoints")
    ring = KeyRing.parse("test:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=")
    for name in ("private_key", "next_private_key"):
        assert b"whsk_" not in row[name]
        assert ring.decrypt(endpoint.id, row[name], "private_key").startswith("whsk_")
    await change(DeleteEndpoint, endpoint)
    [row] = await rows_of("endpoints")
    assert (row["private_key"], row["next_private_key"]) == (None, None)


async def test_a_key_that_no_key_of_the_ring_opens_is_told_and_what_is_due_waits(
    serve, sent, subscribe, change, publish, settled, sql
):
    await serve()
    endpoint = await subscribe(await sent.begin(), signatures=BOTH)
    other = KeyRing.parse("other:b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q=")
    await sql("UPDATE webhooks.endpoints SET private_key = $1", other.encrypt(endpoint.id, "whsk_", "private_key"))
    await change(UpdateEndpoint, endpoint, description="read anew")
    with pytest.raises(FlowTaskError, match="cannot be read now"):
        await change(GetPublicKeys, endpoint)
    event = await publish()
    assert (await settled(endpoint, event, "pending")).attempts == 0
    assert not sent.receiver.requests
