from datetime import UTC, datetime
from uuid import uuid4

import pytest

from flowtask_local.signatures import both_hold, flowtask_holds, standard_holds
from flowtask_webhook_dispatcher.signing import SigningKey, signed_headers

SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U="


def test_signatures_of_an_independent_library_hold(signed):
    body = '{"a":"ü"}'.encode()
    headers = signed(body, SECRET)

    assert standard_holds(SECRET, headers, body)
    assert flowtask_holds(SECRET, headers, body)
    assert both_hold(SECRET, headers, body)
    rotated = headers | {"webhook-signature": f"v1,AAAA {headers['webhook-signature']}"}
    assert standard_holds(SECRET, rotated, body)


def test_while_a_secret_is_changed_either_one_holds_and_no_third():
    old, new = SECRET, "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q="
    key = SigningKey.of(old).until(datetime(2999, 1, 1, tzinfo=UTC), SigningKey.of(new))
    made = signed_headers(key, event="a", event_id=uuid4(), delivery_id=uuid4(), timestamp=1, body=b"{}")
    headers = {name.decode().lower(): value.decode() for name, value in made}

    assert both_hold(old, headers, b"{}")
    assert both_hold(new, headers, b"{}")
    assert not both_hold(new.replace("b3Ro", "b3Rp"), headers, b"{}")
    del headers["x-flowtask-signature-next"]
    assert both_hold(old, headers, b"{}")
    assert not both_hold(new, headers, b"{}")


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,ü"},
        {"webhook-id": "other"},
        {"webhook-timestamp": "1"},
    ],
)
def test_a_changed_header_breaks_the_standard_signature(signed, change):
    headers = signed(b"{}", SECRET) | change

    assert not standard_holds(SECRET, headers, b"{}")
    assert not both_hold(SECRET, headers, b"{}")


def test_a_changed_body_or_another_secret_breaks_both(signed):
    headers = signed(b"{}", SECRET)
    other = "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q="

    for secret, body in ((SECRET, b"{ }"), (other, b"{}"), ("whsec_no base64", b"{}")):
        assert not standard_holds(secret, headers, body)
        assert not flowtask_holds(secret, headers, body)
