import json

import pytest

from flowtask_local.demo.expecting import Expected, Ledger
from flowtask_local.receiver import Arrival

SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U="


@pytest.fixture
def arrival(signed):
    """Makes webhooks of one event, signed."""

    def make(event, resource_id, *, at=1.0, webhook_id="evt", secret=SECRET, **more):
        body = json.dumps({"event": event, "data": {"id": resource_id}, **more}).encode()
        return Arrival(at, signed(body, secret, webhook_id), body)

    return make


def test_updates_are_told_apart_by_what_changed_and_repeats_count_once(arrival):
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


def test_a_webhook_whose_signature_does_not_hold_is_not_counted_as_arrived(arrival):
    ledger = Ledger(SECRET, [Expected("task.created", "t1", 0.0)])
    taken = ledger.take(arrival("task.created", "t1", secret="whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q="))

    assert (taken.arrived.standard, taken.arrived.flowtask) == (False, False)
    assert ledger.missing == ["task.created arrived with a signature that does not hold"]
