import json
from datetime import UTC, datetime

import pytest

from flowtask_local.listen.forwarding import Forwarded
from flowtask_local.listen.webhooks import HEADING, Webhook, as_json, as_row, parsed
from flowtask_local.receiver import Answer, Arrival

ID = "01a2037e-ff3e-7a81-8373-e3db8b52c7db"
AT = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)
BODY = {"event": "task.created", "timestamp": "2026-11-22T12:00:00.200Z", "data": {"id": "t1", "title": "Tür"}}
RAW = json.dumps(BODY).encode()


def webhook(body=RAW, *, verified=True, repeat=False, headers=None):
    headers = {"webhook-id": ID, "x-flowtask-delivery": "d1"} if headers is None else headers
    return Webhook(AT, Arrival(0.0, headers, body), verified, repeat, parsed(body))


def plain(text, _style):
    return text


def forwarded(status=200, error=None):
    return Forwarded("http://app", status, 3.14159, error, Answer(status or 502))


def test_a_line_for_machines_says_everything():
    told = json.loads(as_json(webhook(), 200, forwarded()))

    assert told == {
        "time": "2026-11-22T12:00:00.250Z",
        "type": "task.created",
        "webhookId": ID,
        "deliveryId": "d1",
        "resourceId": "t1",
        "status": 200,
        "latencyMs": 50.0,
        "verified": True,
        "repeat": False,
        "forward": {"url": "http://app", "status": 200, "ms": 3.1, "error": None},
        "payload": BODY,
    }
    assert json.loads(as_json(webhook(), 204, None))["forward"] is None


@pytest.mark.parametrize(
    "body", [b"", b"text", b"\xff", b"[NaN]", b"[1e999]", b"[" * 100_000, b"[1]", b'{"data": 1, "event": {}}']
)
def test_whatever_a_stranger_sends_becomes_one_line(body):
    one = webhook(body, verified=False, headers={})
    line, row = as_json(one, 401, None), as_row(one, 401, None, plain)

    told = json.loads(line)
    assert (told["type"], told["webhookId"], told["latencyMs"], told["verified"]) == (None, None, None, False)
    assert "\n" not in line + row
    assert "NOT VERIFIED" in row


def test_rows_stand_under_their_heading():
    first, second = as_row(webhook(), 204, None, plain), as_row(webhook(b"{}", headers={}), 401, None, plain)

    assert first.endswith(f"  task.created        {ID}     204     50.0 ms")
    assert len(HEADING) == len(first) == len(second)
    assert HEADING.index("id ") == first.index(ID)


@pytest.mark.parametrize(
    ("given", "remark"),
    [
        ((webhook(repeat=True), 204, None), "ms  repeat"),
        ((webhook(repeat=True), 500, forwarded(500)), "ms  repeat  the app took 3.1 ms"),
        (
            (webhook(), 502, forwarded(None, "refused the connection: nothing listens there")),
            "ms  http://app refused the connection: nothing listens there",
        ),
    ],
)
def test_what_is_out_of_the_ordinary_is_said_after_the_row(given, remark):
    assert as_row(*given, plain).endswith(remark)


def test_no_control_character_of_a_stranger_reaches_a_terminal():
    body = json.dumps({"event": "\x1b[2J\x9b\n"}).encode()
    row = as_row(webhook(body, verified=False, headers={"webhook-id": "\x1b]0;"}), 401, None, plain)

    assert row.isprintable()
    assert r"\x1b[2J\x9b\x0a" in row
