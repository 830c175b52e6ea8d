import hashlib
import hmac
import http.client
import json
import queue
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook

from flowtask_local.demo.expecting import Expected, Ledger
from flowtask_local.demo.receiver import Arrival, Receiver
from flowtask_local.demo.signatures import flowtask_holds, standard_holds

SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U="


def headers_for(body, secret=SECRET, webhook_id="evt"):
    at = datetime.now(UTC)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, at, body.decode()),
        "x-flowtask-signature": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }


def arrival(event, resource_id, *, at=1.0, webhook_id="evt", secret=SECRET, **more):
    body = json.dumps({"event": event, "data": {"id": resource_id}, **more}).encode()
    return Arrival(at, headers_for(body, secret, webhook_id), body)


def test_signatures_of_an_independent_library_hold():
    body = '{"a":"ü"}'.encode()
    headers = headers_for(body)

    assert standard_holds(SECRET, headers, body)
    assert flowtask_holds(SECRET, headers, body)
    rotated = headers | {"webhook-signature": f"v1,AAAA {headers['webhook-signature']}"}
    assert standard_holds(SECRET, rotated, body)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,ü"},
        {"webhook-id": "other"},
        {"webhook-timestamp": "1"},
    ],
)
def test_a_changed_header_breaks_the_standard_signature(change):
    headers = headers_for(b"{}") | change

    assert not standard_holds(SECRET, headers, b"{}")


def test_a_changed_body_or_another_secret_breaks_both():
    headers = headers_for(b"{}")
    other = "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q="

    for secret, body in ((SECRET, b"{ }"), (other, b"{}"), ("whsec_no base64", b"{}")):
        assert not standard_holds(secret, headers, body)
        assert not flowtask_holds(secret, headers, body)


def test_updates_are_told_apart_by_what_changed_and_repeats_count_once():
    ledger = Ledger(SECRET)
    assign = Expected("task.updated", "t1", 0.5, changed="assigneeId")
    complete = Expected("task.updated", "t1", 2.0, changed="status")
    ledger.expected += [assign, complete]

    late = arrival("task.updated", "t1", at=1.5, webhook_id="e2", changes={"status": {"from": "TODO", "to": "DONE"}})
    assert ledger.take(late) is complete
    assert ledger.take(late) is None
    assert ledger.take(arrival("task.updated", "somebody else's", changes={"assigneeId": {}})) is None
    assert not ledger.complete
    assert ledger.missing == ["task.updated did not arrive"]
    assert ledger.take(arrival("task.updated", "t1", webhook_id="e1", changes={"assigneeId": {}})) is assign

    assert ledger.complete
    assert ledger.missing == []
    assert (assign.latency, complete.latency) == (0.5, -0.5)


def test_a_webhook_whose_signature_does_not_hold_is_not_counted_as_arrived():
    ledger = Ledger(SECRET, [Expected("task.created", "t1", 0.0)])
    taken = ledger.take(arrival("task.created", "t1", secret="whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q="))

    assert (taken.arrived.standard, taken.arrived.flowtask) == (False, False)
    assert ledger.missing == ["task.created arrived with a signature that does not hold"]


def test_the_receiver_hands_on_exactly_what_it_was_sent():
    with Receiver() as receiver:
        connection = http.client.HTTPConnection(receiver.url.split("/")[2], timeout=5)
        for number in range(3):
            connection.request("POST", "/webhooks", f"body {number}".encode(), {"Webhook-Id": f"e{number}"})
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (204, b"")
        connection.close()
        arrivals = [receiver.arrivals.get(timeout=5) for _ in range(3)]
        with pytest.raises(queue.Empty):
            receiver.arrivals.get_nowait()

    assert [(one.body, one.headers["webhook-id"]) for one in arrivals] == [
        (f"body {number}".encode(), f"e{number}") for number in range(3)
    ]
