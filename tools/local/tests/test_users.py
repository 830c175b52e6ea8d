"""The whole of `flowtask` as a normal user, in a folder with spaces and other letters, and with a very long path."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from flowtask_local.home import Home
from flowtask_local.stack import Stack

from .clone import normal_user

CLI = Path(__file__).with_name("cli.py")


@pytest.fixture
def folder():
    """A folder that a normal user owns, where every user may go."""
    folder = Path(tempfile.mkdtemp(prefix="flowtask "))
    folder.chmod(0o755)
    inside = folder / "grün und blau ☂"
    inside.mkdir()
    if normal_user():
        shutil.chown(inside, "daemon", "daemon")
    yield inside
    shutil.rmtree(folder)


def test_a_normal_user_starts_it_checks_it_ends_it_and_removes_it(folder, bin_dir, eventually):
    me = normal_user()
    uid = os.geteuid() or folder.stat().st_uid
    home = folder / ".flowtask"
    main = [*me, sys.executable, "-m", "flowtask_local.main"]
    options = {"cwd": folder, "env": {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"}}
    shown = folder.parent / "shown.txt"
    with shown.open("w") as file:
        up = subprocess.Popen(
            [*me, sys.executable, CLI, "up", home, bin_dir], stdout=file, stderr=subprocess.STDOUT, **options
        )
    try:
        eventually(lambda: "Ctrl-C stops." in shown.read_text() or up.poll() is not None, timeout=60)
        assert up.poll() is None, shown.read_text()
        assert uid != 0
        assert home.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_uid for path in home.rglob("*")} == {uid}
        if sys.platform == "linux":
            assert Path(f"/proc/{up.pid}").stat().st_uid == uid

        def run(*arguments):
            return subprocess.run(
                [*main, *arguments], capture_output=True, text=True, check=False, timeout=60, **options
            )

        doctor = run("doctor")
        assert doctor.returncode == 0, doctor.stdout + doctor.stderr
        assert f"process {up.pid} since" in doctor.stdout
        assert run("reset", "--yes").returncode == 2
        down = run("down")
        assert (down.returncode, up.wait(10)) == (0, 0), down.stderr
        reset = run("reset", "--yes")
        assert reset.returncode == 0, reset.stderr
        assert list(folder.iterdir()) == []
    finally:
        up.send_signal(signal.SIGKILL)
        up.wait()


def test_a_folder_closed_to_a_normal_user_is_one_sentence(tmp_path):
    tmp_path.chmod(0o755)
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    try:
        for command in ("up", "doctor"):
            done = subprocess.run(
                [*normal_user(), sys.executable, "-m", "flowtask_local.main", command, "--home", closed / "home"],
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert done.returncode == 1
            assert str(closed) in done.stderr + done.stdout
            assert "another folder with --home" in done.stderr + done.stdout
            assert "Traceback" not in done.stderr
            assert done.stderr.count("\n") <= 1
    finally:
        closed.chmod(0o755)


def test_a_path_too_long_for_a_socket_is_no_trouble_because_there_is_none(tmp_path, made_home, bin_dir):
    home = tmp_path / ("long " * 25) / "home"
    home.parent.mkdir()
    subprocess.run(["cp", "-a", made_home, home], check=True)

    with Stack(home, bin_dir=bin_dir, durable=False) as stack:
        stack.up()
        assert len(str(home)) > 108
        assert not [path for path in home.rglob("*") if path.is_socket()]
    assert not Home(home).taken
