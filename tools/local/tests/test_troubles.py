import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flowtask_local.errors import HomeHeldError, LocalError, ProcessEndedError
from flowtask_local.troubles import told

UV = Path(__file__).parents[1] / "uv.sh"
FULL = "could not extend file: No space left on device"


def raising(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (LocalError("Plain words."), 1, "Plain words."),
        (HomeHeldError("/home", 7), 2, "process 7"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "The disk that holds"),
        (ProcessEndedError("postgres", 1, ["FATAL", FULL]), 1, "The disk that holds"),
        (PermissionError(errno.EACCES, "Permission denied", "/closed"), 1, "This user may not use /closed"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/file/x"), 1, "/file/x: Not a directory."),
    ],
)
def test_what_is_known_to_go_wrong_is_told_in_one_sentence(tmp_path, capsys, error, code, words):
    assert told(tmp_path, raising(error)) == code

    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_what_nobody_thought_of_is_told_too_and_its_details_lie_in_a_file(tmp_path, capsys):
    assert told(tmp_path, raising(KeyError("oops"))) == 1

    assert capsys.readouterr().err.startswith("This should not have happened: KeyError: 'oops'.")
    assert "Traceback" in (tmp_path / "logs" / "flowtask.log").read_text()


@pytest.mark.parametrize("command", ["up", "down", "demo", "listen"])
def test_a_home_that_is_a_file_is_told_of(tmp_path, command):
    (tmp_path / "file").touch()
    done = subprocess.run(
        [sys.executable, "-m", "flowtask_local.main", command, "--home", tmp_path / "file" / "home"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == f"{tmp_path / 'file' / 'home'}: Not a directory.\n" or "Not a directory" in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_names_every_setting_that_a_service_cannot_do_without():
    done = subprocess.run(
        [sys.executable, "-m", "flowtask_local.main", "up", "--help"], capture_output=True, text=True, check=True
    )

    for name in ("DATABASE_URL", "NATS_URL", "WEBHOOKS_SECRET_KEYS", "BOOTSTRAP_ROLE_PASSWORDS"):
        assert f"FLOWTASK_{name}" in done.stdout


def test_without_a_python_that_is_new_enough_make_says_so_in_one_sentence(tmp_path):
    for program in ("sh", "dirname", "uname", "ldd", "grep", "cut"):
        found = shutil.which(program)
        if found is not None:
            (tmp_path / program).symlink_to(found)
    for old in ("", "#!/bin/sh\nexit 1\n"):
        if old:
            (tmp_path / "python3").write_text(old)
            (tmp_path / "python3").chmod(0o755)
        done = subprocess.run(
            [UV, "sync"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False, cwd=os.sep
        )
        assert done.returncode == 1
        assert done.stderr.startswith("FlowTask needs Python 3.11 or newer")
        assert done.stderr.count("\n") == 1
