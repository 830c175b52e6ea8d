import base64
import hashlib
import hmac
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from flowtask_webhook_dispatcher.keyring import new_secret
from flowtask_webhook_dispatcher.signing import SigningKey, signed_headers

BODY = b'{"event":"task.created","data":{"title":"\xc3\xa9"}}'


@pytest.fixture
def secret():
    return new_secret()


def headers_of(secret, *, timestamp=None, body=BODY, **changed):
    named = {"event": "task.created", "event_id": uuid4(), "delivery_id": uuid4(), **changed}
    stamp = int(datetime.now(UTC).timestamp()) if timestamp is None else timestamp
    found = signed_headers(SigningKey.of(secret), timestamp=stamp, body=body, **named)
    return {name.decode(): value.decode() for name, value in found}


def test_any_standard_webhooks_library_verifies_a_request(secret):
    assert Webhook(secret).verify(BODY, headers_of(secret)) == {"event": "task.created", "data": {"title": "é"}}


@pytest.mark.parametrize("part", ["body", "webhook-id", "webhook-timestamp", "secret"])
def test_a_request_that_was_changed_does_not_verify(secret, part):
    headers, body, key = headers_of(secret), BODY, secret
    if part == "body":
        body += b" "
    elif part == "secret":
        key = new_secret()
    else:
        headers[part] = headers[part][:-1] + ("0" if headers[part][-1] != "0" else "1")
    with pytest.raises(WebhookVerificationError):
        Webhook(key).verify(body, headers)


def test_the_own_signature_is_the_hmac_of_the_body_under_the_whole_secret_string(secret):
    expected = hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()
    assert headers_of(secret)["X-FlowTask-Signature"] == f"sha256={expected}"


def test_the_standard_signature_is_over_id_time_and_body_under_the_decoded_secret(secret):
    event_id = uuid4()
    headers = headers_of(secret, event_id=event_id, timestamp=1_700_000_000)
    key = base64.b64decode(secret.split("_")[1])
    expected = hmac.new(key, f"{event_id}.1700000000.".encode() + BODY, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
    assert headers["webhook-timestamp"] == "1700000000"


def test_headers_name_the_event_and_the_delivery(secret):
    delivery = uuid4()
    headers = headers_of(secret, event="task.completed", delivery_id=delivery)
    assert headers["X-FlowTask-Event"] == "task.completed"
    assert headers["X-FlowTask-Delivery"] == str(delivery)
    assert headers["Content-Type"] == "application/json"


def test_a_new_secret_holds_32_bytes_and_is_never_the_same(secret):
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert new_secret() != secret


@pytest.fixture
def changing(secret):
    """Headers while this secret gives way to another one, at a time; and that other one."""
    other = new_secret()

    def make(timestamp=1_700_000_000, until=1_700_000_060.5):
        key = SigningKey.of(secret).until(datetime.fromtimestamp(until, UTC), SigningKey.of(other))
        named = {"event": "task.created", "event_id": EVENT, "delivery_id": EVENT}
        found = signed_headers(key, timestamp=timestamp, body=BODY, **named)
        return [(name.decode(), value.decode()) for name, value in found]

    return make, other


EVENT = uuid4()


def test_while_a_secret_is_changed_both_sign_and_the_own_header_stays_with_the_old_one(secret, changing):
    make, other = changing
    old, new, both = (
        headers_of(secret, event_id=EVENT, timestamp=1_700_000_000),
        headers_of(other, event_id=EVENT, timestamp=1_700_000_000),
        dict(make()),
    )
    assert len(make()) == len(both)
    assert both["webhook-signature"] == f"{old['webhook-signature']} {new['webhook-signature']}"
    assert both["X-FlowTask-Signature"] == old["X-FlowTask-Signature"]
    assert both["X-FlowTask-Signature-Next"] == new["X-FlowTask-Signature"]


def test_a_standard_webhooks_library_verifies_with_either_secret(secret, changing):
    make, other = changing
    now = int(datetime.now(UTC).timestamp())
    headers = dict(make(now, now + 60))
    for each in (secret, other):
        assert Webhook(each).verify(BODY, headers)["event"] == "task.created"
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers)


@pytest.mark.parametrize(("timestamp", "alone"), [(1_700_000_060, False), (1_700_000_061, True), (1_800_000_000, True)])
def test_from_its_moment_on_the_new_secret_signs_alone_without_anybody_doing_anything(changing, timestamp, alone):
    make, other = changing
    headers = dict(make(timestamp))
    expected = headers_of(other, event_id=EVENT, timestamp=timestamp, delivery_id=EVENT)
    assert (headers == expected) is alone
    assert ("X-FlowTask-Signature-Next" in headers) is not alone


def test_a_key_shows_no_secret(secret):
    key = SigningKey.of(secret).until(datetime.now(UTC), SigningKey.of(new_secret()))
    assert secret not in repr(key)
    assert str(base64.b64decode(secret.removeprefix("whsec_"))) not in repr(key)


@pytest.mark.parametrize("length", [1, 24, 63, 64, 65, 200])
def test_the_signatures_are_hmac_for_keys_of_any_length(length):
    whole = "whsec_" + base64.b64encode(bytes(range(length))).decode()
    event = uuid4()
    for _ in range(2):
        headers = headers_of(whole, event_id=event, timestamp=5)
        assert headers["X-FlowTask-Signature"] == "sha256=" + hmac.digest(whole.encode(), BODY, hashlib.sha256).hex()
        standard = hmac.digest(bytes(range(length)), b"%b.5.%b" % (str(event).encode(), BODY), hashlib.sha256)
        assert headers["webhook-signature"] == "v1," + base64.b64encode(standard).decode()
