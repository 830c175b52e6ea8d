# ruff: noqa: S606 - the commands are this file's own
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SUPERVISOR = Path(__file__).with_name("supervisor.py")


@pytest.fixture
def supervise(tmp_path):
    """Starts a supervisor of its own session with these children; answers the process and everybody's ids."""
    started = []

    def start(*children, **options):
        supervisor = subprocess.Popen(
            [sys.executable, SUPERVISOR, tmp_path, *children],
            stdout=subprocess.PIPE,
            start_new_session=True,
            **options,
        )
        started.append(supervisor)
        return supervisor, json.loads(supervisor.stdout.readline())

    yield start
    for supervisor in started:
        supervisor.kill()
        supervisor.wait()
        supervisor.stdout.close()


def test_children_live_on_when_the_thread_that_started_them_has_ended(supervise, living):
    _, pids = supervise("sleeper")

    assert living(pids.values()) == set(pids.values())


def test_nothing_outlives_a_sigkill_of_the_supervisor(supervise, living, eventually):
    supervisor, pids = supervise("sleeper", "postgres", "nats")

    supervisor.kill()

    eventually(lambda: not living(pids.values()), timeout=5)


def test_nothing_outlives_a_sigkill_of_the_supervisors_whole_process_group(supervise, living, eventually):
    supervisor, pids = supervise("sleeper", "nats")

    os.killpg(supervisor.pid, signal.SIGKILL)

    eventually(lambda: not living(pids.values()), timeout=5)


def test_a_child_that_ignores_the_polite_signal_is_killed(supervise, living, eventually):
    supervisor, pids = supervise("stubborn")

    supervisor.kill()

    eventually(lambda: not living(pids.values()), timeout=6)


@pytest.mark.skipif(sys.platform != "linux", reason="only the Linux kernel tells a child that its parent died")
def test_nothing_outlives_a_sigkill_of_supervisor_and_guardian_together(supervise, living, eventually):
    supervisor, pids = supervise("postgres", "nats")

    os.kill(pids["guardian"], signal.SIGKILL)
    supervisor.kill()

    eventually(lambda: not living(pids.values()), timeout=5)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_nothing_outlives_a_supervisor_that_a_signal_ended(supervise, living, eventually, name):
    supervisor, pids = supervise("sleeper", stderr=subprocess.DEVNULL)

    supervisor.send_signal(getattr(signal, name))

    eventually(lambda: not living(pids.values()), timeout=5)


def test_nothing_outlives_the_terminal(tmp_path, living, eventually):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, str(SUPERVISOR), str(tmp_path), "sleeper"])
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        pids = json.loads(screen.readline())
    try:
        eventually(lambda: not living(pids.values()), timeout=5)
    finally:
        os.waitpid(pid, 0)


def test_a_guardian_that_was_killed_is_replaced_before_the_next_child_starts(living, eventually):
    script = (
        "import json, signal\n"
        "from flowtask_local import lifeline; from flowtask_local.process import Process\n"
        "first = Process('first', ['/bin/sh', '-c', 'echo up; sleep 1000'], env={}); first.start()\n"
        "first.wait_for_line('up', 30)\n"
        "guardian = lifeline.lifeline()._guardian; guardian.kill(); guardian.wait()\n"
        "second = Process('second', ['/bin/sleep', '1000'], env={}); second.start()\n"
        "print(json.dumps([first.pid, second.pid, lifeline.lifeline()._guardian.pid]), flush=True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as supervisor:
        pids = json.loads(supervisor.stdout.readline())
        before = living(pids)

        supervisor.kill()

        eventually(lambda: not living(pids), timeout=5)
    assert before == set(pids)
