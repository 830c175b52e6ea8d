"""`flowtask listen` as people use it, over real services; the test that ends and starts FlowTask comes last."""

import http.client
import json
import os
import re
import signal
import subprocess
import sysconfig
import time
from datetime import datetime
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest
from standardwebhooks.webhooks import Webhook

from flowtask_local.listen.records import Record
from flowtask_local.listen.subscription import Subscription
from flowtask_local.ports import free_port
from flowtask_local.signals import in_background

FLOWTASK = Path(sysconfig.get_path("scripts")) / "flowtask"
ROW = re.compile(r"\d\d:\d\d:\d\d\.\d{3}  task\.created        [0-9a-f-]{36}     204 +\d+\.\d ms")


def refused(folder, *arguments):
    done = subprocess.run(
        [FLOWTASK, "listen", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_webhook_is_one_aligned_row_within_a_second(flowtask, listen, eventually):
    listener = listen("--events", "task.*")
    flowtask.make_task("seen")
    answered = time.monotonic()
    eventually(lambda: ROW.fullmatch(listener.out[-1]))
    waited = time.monotonic() - answered

    assert waited < 1
    heading = next(line for line in listener.out if line.startswith("time "))
    assert len(heading) == len(listener.out[-1])
    assert listener.err == []


def test_machines_get_one_object_per_line_and_nothing_else_on_stdout(flowtask, listen, eventually):
    listener = listen("--json", "--events", "task.updated, project.created", "--events", "task.created")
    task = flowtask.make_task("for machines")
    eventually(listener.rows)
    [row] = listener.rows()

    payload = row["payload"]
    assert payload["data"]["title"] == "for machines"
    assert row == {
        "time": row["time"],
        "type": "task.created",
        "webhookId": payload["id"],
        "deliveryId": payload["deliveryId"],
        "resourceId": task,
        "status": 204,
        "latencyMs": row["latencyMs"],
        "verified": True,
        "repeat": False,
        "forward": None,
        "payload": payload,
    }
    assert 0 <= row["latencyMs"] < 1000
    assert datetime.fromisoformat(row["time"]) >= datetime.fromisoformat(payload["timestamp"])
    [endpoint] = flowtask.endpoints().values()
    assert endpoint["events"] == ["task.updated", "project.created", "task.created"]
    assert endpoint["description"] == f"flowtask listen (process {listener.process.pid})"
    assert any("signing secret" in line for line in listener.err)


def test_an_app_gets_what_was_signed_and_its_answer_is_the_answer(flowtask, listen, app, eventually):
    listener = listen("--json", "--forward", app.url)
    for status in ("200", "500", "302"):
        flowtask.make_task(status)
    eventually(lambda: listener.rows(status=500, repeat=True))

    for status in (200, 500, 302):
        row = listener.rows(status=status)[0]
        assert row["forward"] == {"url": app.url, "status": status, "ms": row["forward"]["ms"], "error": None}
        request = app.requests[str(status)][0]
        assert Webhook(listener.secret).verify(request.body, request.headers) == row["payload"]
        assert request.headers["x-flowtask-delivery"] == row["deliveryId"]
    first, again = listener.rows(status=500)[:2]
    assert (first["repeat"], again["repeat"], first["webhookId"]) == (False, True, again["webhookId"])
    assert again["latencyMs"] > 1000
    assert app.requests["500"][0].body == app.requests["500"][1].body
    assert len(app.requests["302"]) == 1
    eventually(lambda: flowtask.ask("GET", f"/deliveries/{first['deliveryId']}")["attemptLog"])
    attempt = flowtask.ask("GET", f"/deliveries/{first['deliveryId']}")["attemptLog"][0]
    assert (attempt["statusCode"], attempt["responseBody"]) == (500, "the app says 500")


def test_a_slow_app_holds_up_no_other_webhook(flowtask, listen, app, eventually):
    listener = listen("--forward", app.url)
    flowtask.make_task("slow")
    eventually(lambda: "slow" in app.requests)
    flowtask.make_task("quick")
    eventually(lambda: "task.created" in listener.out[-1])
    assert len(app.requests["slow"]) == 1
    rows = len(listener.out)
    app.release.put(None)
    eventually(lambda: len(listener.out) > rows)


def test_an_app_that_does_not_run_is_said_and_fails_the_attempt(flowtask, listen, eventually):
    url = f"http://127.0.0.1:{free_port()}/hooks"
    listener = listen("--forward", url)
    flowtask.make_task("for nobody")
    eventually(lambda: f"  {url} refused the connection" in listener.out[-1])

    assert "     502  " in listener.out[-1]
    [endpoint] = flowtask.endpoints()
    eventually(
        lambda: any(one["lastStatusCode"] == 502 for one in flowtask.ask("GET", f"/webhooks/{endpoint}/deliveries"))
    )


def test_a_secret_that_is_changed_meanwhile_is_learned_and_either_one_verifies(flowtask, listen, eventually):
    listener = listen("--json")
    [endpoint] = flowtask.endpoints()
    old = listener.secret
    new = flowtask.ask("POST", f"/webhooks/{endpoint}/rotate-secret", {})["secret"]
    flowtask.make_task("while both sign")
    eventually(lambda: len(listener.rows(verified=True)) == 1)
    eventually(lambda: listener.secret == new != old, timeout=20)
    assert any("The signing secret was changed" in line for line in listener.err)
    flowtask.ask("DELETE", f"/webhooks/{endpoint}/secret/previous")
    flowtask.make_task("under the new one alone")
    eventually(lambda: len(listener.rows()) == 2)
    assert [row["verified"] for row in listener.rows()] == [True, True]


def test_a_forged_webhook_is_shown_refused_and_not_forwarded(flowtask, listen, app, signed, eventually):
    listener = listen("--json", "--forward", app.url)
    [endpoint] = flowtask.endpoints().values()
    body = json.dumps({"event": "task.created", "data": {"id": "t", "title": "forged"}}).encode()
    connection = http.client.HTTPConnection(endpoint["url"].split("/")[2], timeout=5)
    for headers in (signed(body, "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q="), {}):
        connection.request("POST", "/webhooks", body, headers)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (401, b"flowtask listen: a signature does not hold\n")
    connection.close()
    flowtask.make_task("true")
    eventually(lambda: "true" in app.requests and listener.rows(verified=True))

    assert "forged" not in app.requests
    assert [(one["status"], one["forward"], one["repeat"]) for one in listener.rows(verified=False)] == [
        (401, None, False)
    ] * 2


def test_after_a_sigkill_the_next_listener_removes_what_was_left_and_only_that(flowtask, listen, eventually):
    lives, dies = listen("--json"), listen("--json")
    before = flowtask.endpoints()
    [left] = [id_ for id_, one in before.items() if str(dies.process.pid) in one["description"]]
    dies.end(signal.SIGKILL)
    assert flowtask.endpoints().keys() == before.keys()
    comes = listen("--json")

    assert left not in flowtask.endpoints()
    assert {one["description"] for one in flowtask.endpoints().values()} == {
        f"flowtask listen (process {one.process.pid})" for one in (lives, comes)
    }
    assert len(flowtask.records()) == 2
    flowtask.make_task("for both")
    eventually(lambda: lives.rows() and comes.rows())


def test_what_a_crash_left_in_between_is_cleared_up_too(flowtask, listen):
    nobodys = str(uuid4())
    folder = flowtask.home.listeners
    local = flowtask.local["workspaceId"]
    body = {"url": f"http://127.0.0.1:{free_port()}/webhooks", "events": ["*"]}
    made = Record.begin(folder, local, body)
    flowtask.ask("POST", "/webhooks", body, idempotency_key=made.entry.key)
    never_made, refused_one = Record.begin(folder, local, body), Record.begin(folder, local, {**body, "events": ["x"]})
    gone, elsewhere = Record.begin(folder, local, body), Record.begin(folder, "another workspace", body)
    gone.note(nobodys)
    elsewhere.note(nobodys)
    for record in (made, never_made, refused_one, gone, elsewhere):
        record.leave()
    listener = listen("--json")

    [endpoint] = flowtask.endpoints().values()
    assert str(listener.process.pid) in endpoint["description"]
    assert len(flowtask.records()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_removes_the_endpoint_and_is_no_failure(flowtask, listen, number):
    listener = listen()
    assert flowtask.endpoints()

    assert listener.end(number) == 0
    assert flowtask.endpoints() == {}
    assert flowtask.records() == {}
    assert "Traceback" not in "\n".join(listener.out + listener.err)


def test_a_reader_who_goes_away_ends_it(flowtask, listen):
    reader, writer = os.pipe()
    listener = listen("--json", stdout=writer)
    os.close(writer)
    os.close(reader)

    assert listener.process.wait(10) == 0
    assert flowtask.endpoints() == {}
    assert flowtask.records() == {}
    assert "Traceback" not in "\n".join(listener.err)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_reader_who_stands_still_holds_up_no_webhook(flowtask, listen, app, eventually, blocking):
    reader, writer = os.pipe()
    os.set_blocking(writer, blocking)
    listener = listen("--json", "--forward", app.url, stdout=writer)
    os.close(writer)
    [endpoint] = flowtask.endpoints().values()
    connection = http.client.HTTPConnection(endpoint["url"].split("/")[2], timeout=5)
    connection.request("POST", "/", json.dumps("more than a pipe holds" * 10_000))
    assert connection.getresponse().status == 401
    connection.close()
    flowtask.make_task("past the pipe")
    eventually(lambda: "past the pipe" in app.requests)

    with os.fdopen(reader) as rows:
        assert [json.loads(rows.readline())["verified"] for _ in range(2)] == [False, True]
        assert listener.end(signal.SIGINT) == 0


def test_wrong_words_are_told_in_one_sentence(flowtask):
    said = refused(flowtask.folder, "--events", "task.*,tsk.*")
    assert said.startswith("events: tsk.* is not an event type; known are task.created, ")
    assert "begins with http:// or https://" in refused(flowtask.folder, "--forward", "localhost:3000")
    assert refused(flowtask.folder, "--events", ",").startswith("events: ")
    assert flowtask.endpoints() == {}
    assert flowtask.records() == {}


def test_without_a_flowtask_it_says_what_to_run(tmp_path):
    assert "`make up`" in refused(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_endpoint_removed_behind_its_back_is_made_again(flowtask, eventually):
    stopping, said, secrets = Event(), [], []
    subscription = Subscription(
        flowtask.home,
        ["*"],
        stopping=stopping,
        say=said.append,
        made=lambda _found, secret: secrets.append(secret),
        look_seconds=0.02,
        check_seconds=0.1,
    )
    keeping = in_background(lambda: subscription.keep("http://127.0.0.1:1/"), "subscription")
    eventually(lambda: len(secrets) == 1)
    [endpoint] = flowtask.endpoints()
    flowtask.ask("DELETE", f"/webhooks/{endpoint}")
    eventually(lambda: len(secrets) == 2)
    assert subscription.secrets == (secrets[1],)
    assert secrets[1] != secrets[0]
    assert len(flowtask.endpoints()) == len(flowtask.records()) == 1
    stopping.set()
    keeping.result(10)

    assert flowtask.endpoints() == {}
    assert flowtask.records() == {}
    assert said == []


def test_it_waits_for_an_api_that_was_killed_and_makes_an_endpoint_that_is_gone_again(flowtask, listen, eventually):
    keeps, loses = listen("--json"), listen("--json")
    first = loses.secret
    for id_, endpoint in flowtask.endpoints().items():
        if str(loses.process.pid) in endpoint["description"]:
            flowtask.ask("DELETE", f"/webhooks/{id_}")
    api = flowtask.local["services"]["api"]["pid"]
    os.kill(api, signal.SIGSTOP)
    eventually(lambda: "does not answer" in keeps.err[-1] and "does not answer" in loses.err[-1], timeout=30)
    os.kill(api, signal.SIGKILL)
    eventually(lambda: "is back at " in keeps.err[-1] and loses.secret != first, timeout=30)
    flowtask.make_task("after the crash")
    eventually(lambda: keeps.rows(verified=True) and loses.rows(verified=True))

    assert any(line.startswith("The endpoint was gone, so there is a new one at ") for line in loses.err)
    assert len(flowtask.endpoints()) == len(flowtask.records()) == 2
    assert "\n".join(keeps.err).count("does not answer") == 1


def test_it_outlives_its_flowtask_and_clears_up_after_those_who_did_not(flowtask, listen, eventually):
    stays, ends = listen("--json"), listen("--json")
    flowtask.kill()
    eventually(lambda: "does not answer" in stays.err[-1], timeout=30)
    assert ends.end(signal.SIGINT) == 0
    assert "the next `flowtask listen` in this folder removes it" in ends.err[-1]
    assert len(flowtask.records()) == 2
    flowtask.begin()
    comes = listen("--json")
    eventually(lambda: "is back at " in stays.err[-1], timeout=30)
    flowtask.make_task("after the restart")
    eventually(lambda: stays.rows(verified=True) and comes.rows(verified=True))

    assert comes.err[0] == "Waiting for the FlowTask of this folder to be ready ..."
    assert {one["description"] for one in flowtask.endpoints().values()} == {
        f"flowtask listen (process {one.process.pid})" for one in (stays, comes)
    }
    assert len(flowtask.records()) == 2
