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


@pytest.mark.parametrize("length", [1, 24, 63, 64, 65, 200])
def test_the_signatures_are_hmac_for_keys_of_any_length(length):
    whole = "whsec_" + base64.b64encode(bytes(range(length))).decode()
    event = uuid4()
    for _ in range(2):
        headers = headers_of(whole, event_id=event, timestamp=5)
        assert headers["X-FlowTask-Signature"] == "sha256=" + hmac.digest(whole.encode(), BODY, hashlib.sha256).hex()
        standard = hmac.digest(bytes(range(length)), b"%b.5.%b" % (str(event).encode(), BODY), hashlib.sha256)
        assert headers["webhook-signature"] == "v1," + base64.b64encode(standard).decode()
