import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowtask_local.errors import BrokenHomeError, HomeHeldError
from flowtask_local.home import Home
from flowtask_local.keys import Keys
from flowtask_local.logs import LogFile
from flowtask_local.ports import PortBook


def test_a_home_names_who_holds_it_and_is_free_again_afterwards(tmp_path):
    home, other = Home(tmp_path / "home"), Home(tmp_path / "home")
    assert other.holder() is None

    home.hold()
    assert other.holder() == os.getpid()
    with pytest.raises(HomeHeldError, match=f"process {os.getpid()}"):
        other.hold()
    home.release()

    assert other.holder() is None
    other.hold()
    other.release()


def test_a_crashed_holder_holds_nothing(tmp_path):
    script = "import os, sys; from pathlib import Path; from flowtask_local.home import Home\nHome(Path(sys.argv[1])).hold(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", script, tmp_path / "home"], check=False)

    assert (tmp_path / "home" / "lock").exists()
    assert Home(tmp_path / "home").holder() is None


def test_leftovers_are_waited_for(tmp_path):
    home = Home(tmp_path / "home")
    home.hold()
    home.lock("gone").touch()
    home.wait_for_leftovers(timeout=1)
    script = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, home.lock("api")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as leftover:
        leftover.stdout.readline()
        with pytest.raises(BrokenHomeError, match="api of an earlier start still runs"):
            home.wait_for_leftovers(timeout=0.2)
        leftover.stdin.close()
        home.wait_for_leftovers(timeout=5)
    home.release()


def test_keys_are_made_once_and_only_their_owner_can_read_them(tmp_path):
    path = tmp_path / "secrets.json"
    first = Keys(path)
    made = (first.superuser, first.nats_admin, first.role("api"), first.bus("api"), first.ring("webhooks"))

    again = Keys(path)
    assert (again.superuser, again.nats_admin, again.role("api"), again.bus("api"), again.ring("webhooks")) == made
    assert len(set(made)) == 5
    assert path.stat().st_mode & 0o777 == 0o600


def test_ports_are_the_wished_ones_while_nobody_has_them(tmp_path, postgres_server):
    book = PortBook(tmp_path / "ports.json", {"a": postgres_server.port})

    given = book.port("a")

    assert given != postgres_server.port
    assert book.replaced == {"a": (postgres_server.port, given)}
    assert book.port("b") != given
    assert PortBook(tmp_path / "ports.json", {}).port("a") == given


def test_a_log_begins_anew_at_each_start_and_keeps_the_three_before(tmp_path):
    for number in range(6):
        log = LogFile(tmp_path / "logs" / "api.log")
        log.write(f"start {number}\n".encode())
        log.close()

    logs = {path.name: path.read_text() for path in Path(tmp_path / "logs").iterdir()}
    assert logs == {f"api.log{suffix}": f"start {5 - age}\n" for age, suffix in enumerate(["", ".1", ".2", ".3"])}
