"""A home that a crash left in any state: it heals by itself, or one sentence says what to do."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nats
import pytest

from flowtask_local import belongings, running
from flowtask_local.errors import BrokenHomeError
from flowtask_local.home import Home
from flowtask_local.keys import Keys
from flowtask_local.nats import EmbeddedNats
from flowtask_local.ports import PortBook
from flowtask_local.postgres import EmbeddedPostgres
from flowtask_local.schemas import Schemas
from flowtask_local.services import SERVICES
from flowtask_local.stack import Stack

CLI = Path(__file__).with_name("cli.py")
NOT_AN_OBJECT = ["", "{", "[]", '"text"', "7", '{"api": ', "\0\0\0\0"]


@pytest.fixture
def home(tmp_path, made_home):
    """A home of this test's own, whose databases are made."""
    subprocess.run(["cp", "-a", made_home, tmp_path / "home"], check=True)
    return tmp_path / "home"


@pytest.fixture
def up(tmp_path):
    """Starts `flowtask up`; answers it, and a function for what it has shown."""
    started = []

    def start(home, bin_dir):
        shown = tmp_path / f"shown {len(started)}.txt"
        with shown.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, CLI, "up", home, bin_dir], cwd=tmp_path, stdout=file, stderr=subprocess.STDOUT
            )
        started.append(process)
        return process, shown.read_text

    yield start
    for process in started:
        process.kill()
        process.wait()


def kill_with_guardian(process):
    """SIGKILL for both nets at once; elsewhere than on Linux, where the kernel is no third one, for the first alone."""
    if sys.platform == "linux":
        for guardian in children(process.pid, "guardian.py"):
            os.kill(guardian, signal.SIGKILL)
    process.kill()
    process.wait()


def children(pid, words):
    rows = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    fields = [row.split(maxsplit=2) for row in rows.splitlines()]
    return [int(child) for child, parent, args in fields if parent == str(pid) and words in args]


def stuck(bin_dir, folder, program, argument):
    """The stand-ins, of which one notes in `reached` that it was called like this, and does nothing for ever."""
    folder.mkdir()
    for one in bin_dir.iterdir():
        (folder / one.name).symlink_to(one)
    (folder / program).unlink()
    script = f'#!/bin/sh\n[ "$1" = "{argument}" ] || exec "{bin_dir / program}" "$@"\ntouch reached\nexec sleep 1000\n'
    (folder / program).write_text(script)
    (folder / program).chmod(0o755)
    return folder


def begin_and_kill_at(step, up, home, programs, eventually):
    process, shown = up(home, programs)
    reached = home / "reached"
    eventually(lambda: reached.exists() or process.poll() is not None, timeout=60)
    assert reached.exists(), (step, shown())
    kill_with_guardian(process)
    reached.unlink()


def starts(up, home, bin_dir, eventually):
    process, shown = up(home, bin_dir)
    eventually(lambda: "Ctrl-C stops." in shown() or process.poll() is not None, timeout=60)
    assert process.poll() is None, shown()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_a_sigkill_of_everything_while_the_database_is_made_heals(up, tmp_path, bin_dir, eventually):
    home = tmp_path / "fresh"
    process, _ = up(home, bin_dir)
    eventually((home / "postgres.new" / "PG_VERSION").exists, timeout=30)
    kill_with_guardian(process)
    assert not (home / "postgres").exists()

    starts(up, home, bin_dir, eventually)

    assert belongings.half_made(Home(home)) == []


def test_a_sigkill_of_everything_heals_at_whatever_step_it_comes(up, home, bin_dir, tmp_path, eventually):
    steps = [
        ("flowtask-bootstrap", ""),
        ("flowtask-api", "migrate"),
        ("flowtask-api", "create-user"),
        ("flowtask-webhook-dispatcher", "serve"),
    ]
    for number, step in enumerate(steps):
        begin_and_kill_at(step, up, home, stuck(bin_dir, tmp_path / f"stuck {number}", *step), eventually)

    starts(up, home, bin_dir, eventually)


def test_secrets_are_whole_whenever_the_kill_comes(tmp_path):
    script = (
        "import itertools, sys; from pathlib import Path; from flowtask_local.keys import Keys\n"
        "keys = Keys(Path(sys.argv[1])); keys.superuser; print(flush=True)\n"
        "for n in itertools.count(): keys._keep('n', n)\n"
    )
    seen = set()
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", script, tmp_path / "secrets.json"], stdout=subprocess.PIPE
        ) as process:
            process.stdout.readline()
            before = (tmp_path / "secrets.json").read_text()
            while (tmp_path / "secrets.json").read_text() == before:
                time.sleep(0.001)
            process.kill()
        seen.add(json.loads((tmp_path / "secrets.json").read_text())["postgresSuperuser"])

    assert len(seen) == 1


def test_what_a_crash_left_half_made_goes_at_the_next_start_and_nothing_else(home, bin_dir):
    half = [".secrets.json.ab12_x9z", ".ports.json.00000000", "nats/.nats.conf.abcdefgh", "postgres.password"]
    (home / "nats").mkdir(exist_ok=True)
    for name in half:
        (home / name).write_text('{"postgresSup')
    (home / "postgres.new").mkdir()
    (home / "postgres.new" / "PG_VERSION").touch()
    (home / ".other.json.abcdefgh").touch()
    secrets = (home / "secrets.json").read_text()

    with Stack(home, bin_dir=bin_dir, durable=False) as stack:
        stack.start_servers()
        assert stack.postgres.sql("SELECT 1") == "1\n"

    assert belongings.half_made(Home(home)) == []
    assert [path.name for path in belongings.strangers(Home(home))] == [".other.json.abcdefgh"]
    kept = json.loads((home / "secrets.json").read_text())
    assert {name: kept[name] for name in json.loads(secrets)} == json.loads(secrets)


@pytest.mark.parametrize("text", [*NOT_AN_OBJECT, '{"a": "x", "b": 0, "c": 99999999, "d": null, "e": true}'])
def test_small_files_that_were_cut_short_are_made_anew(tmp_path, text, postgres_server):
    file = tmp_path / "some.json"
    file.write_text(text)

    book = PortBook(file, {})
    assert all(0 < book.port(name) < 65536 for name in "abcde")
    file.write_text(text)
    assert not Schemas(file, postgres_server, "postgres").current(SERVICES[0])
    home = Home(tmp_path)
    home.hold()
    home.local_file.write_text(text)
    assert running.find(home) is None
    assert running.probes(home) == {}
    home.release()
    file.write_text(text)
    assert Keys(file).superuser, "there is no database yet that another password could belong to"


def test_a_start_over_small_files_that_were_cut_short_works(home, bin_dir):
    for name in ("ports.json", "schemas.json", "local.json"):
        (home / name).write_text('{"api": "')

    with Stack(home, bin_dir=bin_dir, durable=False) as stack:
        stack.up()
        assert all(process.ready for process in stack.processes)


@pytest.mark.parametrize("text", [*NOT_AN_OBJECT, "{}", '{"postgresSuperuser": ""}', None])
def test_secrets_that_are_lost_are_never_made_up_anew_beside_their_database(tmp_path, text):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18\n")
    secrets = tmp_path / "secrets.json"
    if text is not None:
        secrets.write_text(text)

    with pytest.raises(BrokenHomeError) as told, Stack(tmp_path) as stack:
        stack.start_servers()

    assert "Put it back from a copy" in str(told.value)
    assert "make reset" in str(told.value)
    assert "\n" not in str(told.value)
    assert (secrets.read_text() if secrets.exists() else None) == text
    assert not Home(tmp_path).taken


def test_a_folder_that_is_no_database_is_left_alone_with_a_sentence(tmp_path):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "thesis.txt").touch()

    with pytest.raises(BrokenHomeError, match="not a PostgreSQL data folder: move it away"), Stack(tmp_path) as stack:
        stack.start_servers()
    assert (tmp_path / "postgres" / "thesis.txt").exists()


def test_a_pid_file_that_names_a_living_stranger_does_not_stop_the_whole(home, bin_dir):
    (home / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{home / 'postgres'}\n1\n5433\n\n127.0.0.1\n")
    if os.geteuid() == 0:
        owner = (home / "postgres").stat()
        os.chown(home / "postgres" / "postmaster.pid", owner.st_uid, owner.st_gid)

    with Stack(home, bin_dir=bin_dir, durable=False) as stack:
        stack.start_servers()
        assert stack.postgres.sql("SELECT 1") == "1\n"


def test_a_process_of_an_earlier_start_that_does_not_end_is_named(tmp_path):
    home = Home(tmp_path / "home")
    home.hold()
    with EmbeddedPostgres(home.postgres, durable=False) as server:
        server._server.signal("STOP")
        with pytest.raises(BrokenHomeError, match=f"postgres of an earlier start still runs .* `kill -9 {server.pid}`"):
            home.wait_for_leftovers(timeout=0.1)
        server._server.signal("CONT")
    home.release()


async def test_a_store_that_was_cut_short_is_no_reason_for_nats_not_to_start(tmp_path):
    with EmbeddedNats(tmp_path / "nats", durable=False) as server:
        await add_stream(server, "WHOLE")
        await add_stream(server, "CUT")
        server.kill()
        streams = next((tmp_path / "nats").rglob("CUT")).parent
        (streams / "CUT" / "meta.inf").write_text('{"name":"C')
        (streams / "EMPTY" / "msgs").mkdir(parents=True)
        (streams / "NAMELESS" / "obs" / "half").mkdir(parents=True)
        (streams / "NAMELESS" / "meta.inf").touch()

        server.start()

        client = await nats.connect(server.url())
        assert (await client.jetstream().stream_info("WHOLE")).state.messages == 1
        await client.close()
        await add_stream(server, "CUT")


def test_a_store_of_which_only_the_folders_were_made_serves(tmp_path):
    (tmp_path / "nats" / "jetstream" / "$G" / "streams").mkdir(parents=True)
    (tmp_path / "nats" / "nats.conf").write_text("server_na")

    with EmbeddedNats(tmp_path / "nats", durable=False) as server:
        assert server.whole


async def add_stream(server, name):
    client = await nats.connect(server.url())
    jetstream = client.jetstream()
    await jetstream.add_stream(name=name, subjects=[name.lower()])
    await jetstream.publish(name.lower(), b"1")
    await client.close()


def test_a_home_that_a_reset_left_half_removed_begins_clean(home, bin_dir):
    belongings.removal_mark(Home(home)).touch()
    shutil.rmtree(home / "postgres" / "global")
    (home / "secrets.json").unlink()
    (home / "nats").mkdir(exist_ok=True)
    (home / "nats" / "old").touch()

    with Stack(home, bin_dir=bin_dir, durable=False) as stack:
        stack.start_servers()
        assert stack.postgres.sql("SELECT 1") == "1\n"
        assert not (home / "nats" / "old").exists()
    assert not belongings.removal_mark(Home(home)).exists()
