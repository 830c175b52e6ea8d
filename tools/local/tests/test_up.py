# ruff: noqa: S606 - the commands are this file's own
"""`flowtask up` with stand-in services: how it ends, and what it says of what it cannot do."""

import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from flowtask_local.services import SERVICES

CLI = Path(__file__).with_name("cli.py")


@pytest.fixture(scope="module")
def home(tmp_path_factory, made_home):
    """One home for the tests of this file."""
    home = tmp_path_factory.mktemp("up") / "home"
    subprocess.run(["cp", "-a", made_home, home], check=True)
    return home


@pytest.fixture
def up(home, bin_dir, tmp_path, eventually):
    """Starts `flowtask up` in a session of its own; answers it, and a function for what it has shown."""
    started = []

    def start(*flags, ready=True, before=(), **options):
        shown = tmp_path / f"shown {len(started)}.txt"
        with shown.open("w") as file:
            process = subprocess.Popen(
                [*before, sys.executable, CLI, "up", home, bin_dir, *flags],
                **{"cwd": tmp_path, "stdout": file, "stderr": subprocess.STDOUT, "start_new_session": True, **options},
            )
        started.append(process)
        if ready:
            eventually(lambda: "Ctrl-C stops." in shown.read_text() or process.poll() is not None, timeout=40)
            assert process.poll() is None, shown.read_text()
        return process, shown.read_text

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def everybody(home):
    """The process ids that `local.json` tells."""

    def look():
        told = json.loads((home / "local.json").read_text())
        services = [one["pid"] for one in told["services"].values()]
        return [told["pid"], told["postgres"]["pid"], told["nats"]["pid"], *services]

    return look


def test_what_dies_comes_back_and_a_signal_ends_everything(up, everybody, living, eventually, home):
    process, shown = up()
    before = everybody()
    for pid in before[1:]:
        os.kill(pid, signal.SIGKILL)

    names = ("PostgreSQL", "NATS", *(spec.name for spec in SERVICES))
    eventually(lambda: all(f"{name} runs again." in shown() for name in names), timeout=30)
    pids = everybody()
    assert set(before) & set(pids) == {process.pid}
    assert living(pids) == set(pids)
    process.send_signal(signal.SIGHUP)

    assert process.wait(20) == 0
    assert not living(pids)
    assert not (home / "local.json").exists()
    assert shown().count("info    drained") == len(SERVICES)
    assert shown().endswith("Ended; nothing runs any more.\n")
    assert "Traceback" not in shown()


def test_a_second_signal_forces_the_end(up, everybody, living, eventually):
    process, shown = up()
    pids = everybody()
    for pid in pids[3:]:
        os.kill(pid, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    eventually(lambda: "Ctrl-C once more forces it" in shown())
    process.send_signal(signal.SIGINT)

    assert process.wait(10) == 130
    assert not living(pids)


def test_a_signal_while_the_servers_start_ends_it_too(up, eventually, home):
    process, shown = up(ready=False)
    eventually(lambda: (home / "lock").exists() and (home / "lock").read_text().strip() == str(process.pid))
    process.send_signal(signal.SIGINT)

    assert process.wait(20) == 0
    assert "Traceback" not in shown()


def test_a_terminal_shows_progress_and_its_ctrl_c_ends_it(home, bin_dir):
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, str(CLI), "up", str(home), str(bin_dir)])
    shown = b""
    try:
        while b"Ctrl-C stops." not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, b"\x03")
        while piece := os.read(terminal, 4096):
            shown += piece
    except OSError:  # Linux says so when the other side is gone
        pass
    os.close(terminal)
    _, status = os.waitpid(pid, 0)

    text = shown.decode()
    assert os.waitstatus_to_exitcode(status) == 0
    assert "Traceback" not in text
    assert re.search(r"\x1b\[3\dm(api|webhook-dispatcher) ", text), "services have their colours"
    assert "Ended; nothing runs any more." in text


def test_it_outlives_a_terminal_under_nohup_but_not_its_parent_when_it_is_told_so(up, everybody, living, eventually):
    script = 'trap "" HUP; "$@"; :'
    shell, _ = up("--with-parent", before=("/bin/sh", "-c", script, "sh"))
    pids = everybody()
    assert pids[0] != shell.pid
    os.killpg(shell.pid, signal.SIGHUP)
    assert living([shell.pid, *pids]) == {shell.pid, *pids}
    shell.kill()
    shell.wait()

    eventually(lambda: not living(pids), timeout=15)


def test_a_taken_port_is_said_and_replaced_and_a_screen_that_goes_away_holds_nothing_up(up, everybody, living, home):
    ports = home / "ports.json"
    reader, writer = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wished = taken.getsockname()[1]
        ports.write_text(json.dumps(json.loads(ports.read_text()) | {"api": wished}))
        process, _ = up(ready=False, stdout=writer)
        os.close(writer)
        with os.fdopen(reader) as screen:
            shown = list(iter(screen.readline, "Ctrl-C stops.\n"))
    given = json.loads(ports.read_text())["api"]
    pids = everybody()
    process.send_signal(signal.SIGTERM)

    assert given != wished
    assert f"Port {wished} is taken: api listens on {given}.\n" in shown
    assert process.wait(20) == 0
    assert not living(pids)


def test_a_port_that_is_taken_while_its_service_is_down_is_said_and_replaced(up, home, eventually):
    process, shown = up()
    told = json.loads((home / "local.json").read_text())
    lost = int(told["apiUrl"].rpartition(":")[2])
    os.kill(told["services"]["api"]["pid"], signal.SIGKILL)
    with listening(lost, eventually):
        eventually(lambda: "api runs again." in shown(), timeout=20)
    given = int(json.loads((home / "local.json").read_text())["apiUrl"].rpartition(":")[2])
    process.send_signal(signal.SIGTERM)

    assert process.wait(20) == 0
    assert f"Port {lost} is taken: api listens on {given}.\n" in shown()


def listening(port, eventually):
    servers = []

    def listens():
        with contextlib.suppress(OSError):
            servers.append(socket.create_server(("127.0.0.1", port)))
        return servers

    eventually(listens)
    return servers[0]


def test_down_ends_one_that_is_still_starting(up, home, bin_dir, eventually):
    process, shown = up(ready=False)
    eventually(lambda: "PostgreSQL and NATS" in shown())
    done = subprocess.run(
        [sys.executable, CLI, "down", home, bin_dir], capture_output=True, text=True, check=False, timeout=30
    )

    assert (done.returncode, done.stdout) == (0, f"Ending FlowTask (process {process.pid}) ...\nEnded.\n")
    assert process.wait(5) == 0


def test_a_service_that_refuses_to_start_is_shown_with_its_words_and_nothing_stays(home, bin_dir, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for program in bin_dir.iterdir():
        (broken / program.name).symlink_to(program)
    (broken / "flowtask-api").unlink()
    (broken / "flowtask-api").write_text('#!/bin/sh\necho "the reason"\nexit 3\n')
    (broken / "flowtask-api").chmod(0o755)
    done = subprocess.run(
        [sys.executable, CLI, "up", home, broken], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 1
    assert "ended with exit code 3" in done.stderr
    assert "the reason" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "local.json").exists()
