# ruff: noqa: S606 - the commands are this file's own
"""`flowtask reset`: removes what FlowTask made, asks first, and touches nothing else."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flowtask_local import belongings
from flowtask_local.errors import BrokenHomeError, HomeHeldError
from flowtask_local.home import Home
from flowtask_local.reset import reset

COMMAND = [sys.executable, "-m", "flowtask_local.main", "reset", "--home"]


FILES = ("lock", "ports.json", "schemas.json", "local.json", "postgres.lock", "logs/api.log", "logs/api.log.1")
FILES += ("postgres/PG_VERSION", "postgres/base/1/2", "nats/nats.conf", "nats/jetstream/$G/streams/EVENTS/meta.inf")


@pytest.fixture
def home(tmp_path):
    """A folder as a start leaves it, with little in its files."""
    home = tmp_path / "a home"
    for name in FILES:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch()
    (home / "api.lock").write_text("77\n")
    (home / "secrets.json").write_text('{"postgresSuperuser": "x"}')
    return home


def run(home, *flags):
    return subprocess.run(
        [*COMMAND, home, *flags], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )


def answer(home, text):
    """What a terminal shows when the question is answered with this text, and the exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [*COMMAND, str(home)])
    shown = b""
    try:
        while b"[y/N] " not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, text)
        while piece := os.read(terminal, 4096):
            shown += piece
    except OSError:  # Linux says so when the other side is gone
        pass
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("text", [b"\n", b"n\n", b"yess\n", b"\x04"])
def test_it_asks_and_no_is_the_default(home, text):
    shown, code = answer(home, text)

    assert code == 1
    assert str(home) in shown
    assert " MB: every workspace" in shown
    assert shown.endswith("Nothing was removed.\r\n")
    assert (home / "postgres" / "PG_VERSION").exists()


def test_ctrl_c_at_the_question_removes_nothing(home):
    shown, code = answer(home, b"\x03")

    assert code == 130
    assert "Traceback" not in shown
    assert (home / "postgres" / "PG_VERSION").exists()


@pytest.mark.parametrize("text", [b"y\n", b"YES\n"])
def test_yes_removes_the_folder_and_a_second_reset_has_nothing_to_do(home, text):
    shown, code = answer(home, text)

    assert code == 0
    assert "begins anew" in shown
    assert not home.exists()
    again = run(home)
    assert (again.returncode, again.stdout) == (0, f"Nothing to remove: there is no FlowTask in {home}.\n")


def test_without_a_terminal_it_asks_for_yes(home):
    refused = run(home)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "--yes" in refused.stderr
    assert (home / "secrets.json").exists()

    assert run(home, "--yes").returncode == 0
    assert not home.exists()


def test_a_home_that_is_held_is_refused_with_the_name_of_the_holder(home):
    holder = Home(home)
    holder.hold()
    refused = run(home, "--yes")
    holder.release()

    assert refused.returncode == 2
    assert f"process {os.getpid()}, since 20" in refused.stderr
    assert "flowtask down" in refused.stderr
    assert (home / "postgres" / "PG_VERSION").exists()


def test_what_is_no_home_is_refused(tmp_path):
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    for name in ("thesis.txt", "lock"):
        (thesis / name).touch()
        with pytest.raises(BrokenHomeError, match="does not look like the folder of a FlowTask"):
            reset(thesis, yes=True)
    file = tmp_path / "file"
    file.write_text("text")
    with pytest.raises(BrokenHomeError, match="is not a folder"):
        reset(file, yes=True)

    assert sorted(path.name for path in thesis.iterdir()) == ["lock", "thesis.txt"]
    assert file.exists()
    assert reset(tmp_path / "nothing", yes=True) == 0
    (tmp_path / "empty").mkdir()
    assert reset(tmp_path / "empty", yes=True) == 0


@pytest.mark.parametrize(
    "name", ["thesis.txt", "uv.lock", ".secrets.json", "postgres.bak/x", "node_modules/x", "logs2/x"]
)
def test_a_home_with_something_of_a_stranger_in_it_is_refused_whole(home, name):
    (home / name).parent.mkdir(exist_ok=True)
    (home / name).write_text("years of work")
    before = sorted(home.rglob("*"))

    with pytest.raises(BrokenHomeError, match=name.split("/")[0]):
        reset(home, yes=True)

    assert sorted(home.rglob("*")) == before


def test_behind_a_link_the_content_goes_and_link_and_folder_stay(home, tmp_path):
    link = tmp_path / ".flowtask"
    link.symlink_to(home)

    assert reset(link, yes=True) == 0

    assert link.is_symlink()
    assert list(home.iterdir()) == []
    link.unlink()
    link.symlink_to(tmp_path / "nowhere")
    assert reset(link, yes=True) == 0


def test_what_a_link_inside_points_to_stays(home, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (home / "logs").rename(elsewhere)
    (home / "logs").symlink_to(elsewhere)

    assert reset(home, yes=True) == 0

    assert (elsewhere / "api.log.1").exists()
    assert not home.exists()


def test_one_that_is_cut_short_is_finished_by_the_next_and_never_seen_as_whole(home, tmp_path):
    script = (
        "import os, signal, sys; from pathlib import Path; from flowtask_local import belongings\n"
        "from flowtask_local.reset import reset\n"
        "delete, left = belongings._delete, [int(sys.argv[2])]\n"
        "def some(path):\n"
        "    left[0] -= 1\n"
        "    os.kill(os.getpid(), signal.SIGKILL) if left[0] < 0 else delete(path)\n"
        "belongings._delete = some\n"
        "reset(Path(sys.argv[1]), yes=True)\n"
    )
    for steps in range(1, 6):
        copy = tmp_path / f"copy {steps}"
        subprocess.run(["cp", "-a", home, copy], check=True)
        cut = subprocess.run([sys.executable, "-c", script, copy, str(steps)], check=False)
        assert cut.returncode == -signal.SIGKILL
        assert belongings.removal_mark(Home(copy)).exists()

        assert run(copy, "--yes").returncode == 0
        assert not copy.exists()


def test_leftovers_are_waited_for(home, eventually):
    script = "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, home / "api.lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as leftover:
        leftover.stdout.readline()
        removing = subprocess.Popen([*COMMAND, home, "--yes"], stdout=subprocess.PIPE)
        eventually(lambda: Home(home).taken)
        assert (home / "postgres" / "PG_VERSION").exists()
        leftover.stdin.close()
        removing.communicate(timeout=20)

    assert removing.returncode == 0
    assert not home.exists()


def test_a_lock_file_that_was_removed_holds_nothing(tmp_path):
    first, second = Home(tmp_path / "home"), Home(tmp_path / "home")
    first.hold()
    first.lock_file.unlink()

    second.hold()

    assert second.taken
    with pytest.raises(HomeHeldError):
        Home(tmp_path / "home").hold()
    first.release()
    second.release()


def test_the_folder_of_another_user_is_refused(home):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to somebody else")
    from .clone import normal_user  # noqa: PLC0415

    Path(home).chmod(0o755)
    refused = subprocess.run(
        [*normal_user(), *COMMAND, home, "--yes"], capture_output=True, text=True, check=False, timeout=60
    )
    assert refused.returncode == 1
    assert refused.stderr == f"{home} belongs to user 0; reset it as root or as that user.\n"
