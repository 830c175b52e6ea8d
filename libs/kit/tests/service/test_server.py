import http.client
import signal
import time
from contextlib import closing

import pytest
from notes.process import NotesProcess

from flowtask_local.probe import get_status


@pytest.fixture
def notes_process(notes_postgres, notes_nats):
    """Starts notes services; what a test leaves running is ended."""
    running = []

    def start(**environment):
        running.append(NotesProcess(notes_postgres, notes_nats, **environment))
        return running[-1].__enter__()

    yield start
    for process in running:
        process.close()


def asked(process, path):
    """A connection on which a request is under way."""
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=20)
    connection.request("GET", path)
    assert get_status(process.port, "/livez") == 200  # a later request was answered, so the one before it has arrived
    return closing(connection)


def test_sigterm_ends_the_process_with_status_0_after_the_request_under_way(notes_process):
    process = notes_process()
    with asked(process, "/slow?seconds=1") as connection:
        process.signal("TERM")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b'"slow"')

    assert process.wait(15) == 0
    assert any('"service stopped"' in line for line in process.log_lines)


def test_while_draining_the_service_is_not_ready_and_still_answers(notes_process):
    process = notes_process(FLOWTASK_DRAIN_SECONDS="1.5")
    process.wait_until(lambda: get_status(process.port, "/readyz") == 200, "ready", 10)

    begun = time.monotonic()
    process.signal("TERM")
    process.wait_until(lambda: get_status(process.port, "/readyz") == 503, "draining", 5)
    assert get_status(process.port, "/livez") == 200
    assert get_status(process.port, "/slow?seconds=0") == 200

    assert process.wait(15) == 0
    assert time.monotonic() - begun >= 1.5


def test_a_second_signal_ends_the_draining_at_once(notes_process):
    process = notes_process(FLOWTASK_DRAIN_SECONDS="60")
    process.signal("TERM")
    process.wait_until(lambda: get_status(process.port, "/readyz") == 503, "draining", 5)
    process.signal("INT")
    assert process.wait(15) == 0


def test_an_armed_crashpoint_kills_the_service(notes_process, notes_postgres):
    process = notes_process(FLOWTASK_CRASHPOINTS="relay.after-publish")
    notes_postgres.sql(
        "INSERT INTO notes.outbox (event_id, subject, headers, payload) "
        "VALUES (gen_random_uuid(), 'events.note.written', '{}', '{}')",
        database="kit",
    )
    assert process.wait(15) == -signal.SIGKILL
    assert notes_postgres.sql("SELECT count(*) FROM notes.outbox", database="kit").strip() == "1"
    notes_postgres.sql("DELETE FROM notes.outbox", database="kit")


def test_a_service_starts_and_stops_while_its_servers_are_away_and_cuts_what_outlasts_its_patience(notes_process):
    process = notes_process(
        FLOWTASK_DATABASE_URL="postgresql://u:p@127.0.0.1:1/d",
        FLOWTASK_NATS_URL="nats://127.0.0.1:1",
        FLOWTASK_STOP_SECONDS="0.5",
    )
    assert get_status(process.port, "/readyz") == 503
    with asked(process, "/slow?seconds=30"):
        process.signal("TERM")
        assert process.wait(15) == 0
