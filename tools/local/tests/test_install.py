"""`uv.sh` and the Makefile: two at once, a clone that moved, and one sentence for each thing that is not there."""

import os
import shutil
import subprocess
import sys

import pytest

from .clone import Clone, normal_user, write_program

WAY_OUT = "docs/local.md"


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path / "a clöne with spaces")


def sentence(done):
    """What was said, which is one line."""
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_two_installations_at_once_take_turns(tmp_path):
    clone = Clone(tmp_path / "fresh", uv=False)
    both = [clone.begin(), clone.begin()]
    said = [process.communicate(timeout=30)[1] for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert clone.calls == ["pip", "sync --frozen", "sync --frozen"], "uv itself is installed once"
    assert sum("waiting for its end" in text for text in said) == 1


def test_one_that_was_killed_holds_nobody_up(clone, eventually):
    clone.put("uv", '#!/bin/sh\n[ "$1" = --version ] && echo uv 0.13.9 && exit\ntouch begun\nexec sleep 100\n')
    killed = clone.begin()
    eventually((clone.folder / "begun").exists)
    waiting = clone.begin()
    assert "waiting for its end" in waiting.stderr.readline()
    (clone.path / "uv").unlink()
    shutil.copy(clone.folder / "uv.template", clone.path / "uv")
    children = [int(pid) for pid in children_of(killed.pid)]
    killed.kill()
    for pid in children:
        os.kill(pid, 9)
    killed.communicate()

    waiting.communicate(timeout=30)
    assert waiting.returncode == 0


def children_of(pid):
    done = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    return [row.split()[0] for row in done.stdout.splitlines() if row.split()[1] == str(pid)]


@pytest.mark.parametrize(
    ("system", "machine", "libc", "words"),
    [
        ("Linux", "x86_64", "musl libc (x86_64)", "(Linux x86_64 with musl)"),
        ("Linux", "riscv64", "glibc", "(Linux riscv64)"),
        ("FreeBSD", "amd64", "", "(FreeBSD amd64)"),
        ("MINGW64_NT-10.0", "x86_64", "", "on Windows use WSL 2"),
    ],
)
def test_a_machine_without_wheels_is_told_so_with_the_way_out(clone, system, machine, libc, words):
    clone.put("uname", f'#!/bin/sh\n[ "$1" = -s ] && echo {system} || echo {machine}\n')
    clone.put("ldd", f"#!/bin/sh\necho '{libc}' >&2\nexit 1\n")

    told = sentence(clone.run())
    assert words in told
    assert WAY_OUT in told
    assert clone.calls == []
    assert clone.run("tools/local/uv.sh", "sync", "--package", "flowtask-api").returncode == 0, "the way out is open"


@pytest.mark.parametrize("system", [("Linux", "aarch64"), ("Darwin", "arm64"), ("Darwin", "x86_64")])
def test_a_machine_with_wheels_installs(clone, system):
    clone.put("uname", f'#!/bin/sh\n[ "$1" = -s ] && echo {system[0]} || echo {system[1]}\n')
    clone.put("ldd", "#!/bin/sh\necho 'ldd (GNU libc) 2.36'\n")

    assert clone.run().returncode == 0


def test_without_venv_the_package_to_install_is_named(tmp_path):
    clone = Clone(tmp_path / "clone", uv=False)
    script = '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; *_base_*) echo "$0" ;; *) exec "{}" "$@" ;; esac\n'
    clone.put("python3", script.format(sys.executable))

    assert "apt install python3-venv" in clone.run().stderr
    assert not (clone.folder / ".uv").exists()


def test_an_installation_that_fails_says_what_to_do_after_the_words_of_uv(clone):
    clone.put(
        "uv", '#!/bin/sh\n[ "$1" = --version ] && echo uv 0.13.9 && exit\necho "error: words of uv" >&2\nexit 2\n'
    )
    done = clone.run()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2] == "error: words of uv"
    assert "registry" in done.stderr.splitlines()[-1]

    clone.put("df", "#!/bin/sh\nprintf 'head\\nnone 100 90 10 90%% /\\n'\n")
    assert "is full" in clone.run().stderr.splitlines()[-1]
    assert not (clone.folder / ".venv" / ".place").exists()


def test_without_a_network_the_last_sentence_says_so_for_pip_too(tmp_path):
    clone = Clone(tmp_path / "clone", uv=False)
    (clone.folder / "pip.template").write_text("#!/bin/sh\necho 'Connection refused' >&2\nexit 1\n")
    done = clone.run()

    assert done.returncode == 1
    assert done.stderr.splitlines()[-2] == "Connection refused"
    assert "check the network, behind a proxy set HTTPS_PROXY, and run make again" in done.stderr.splitlines()[-1]


def test_a_folder_that_cannot_be_written_to_is_told_of(clone):
    clone.folder.parent.chmod(0o755)
    clone.folder.chmod(0o555)
    try:
        told = sentence(clone.run(before=normal_user()))
    finally:
        clone.folder.chmod(0o755)

    assert str(clone.folder) in told
    assert "folder of your own" in told


def test_a_clone_that_moved_gets_a_new_environment(clone):
    assert clone.run("make", ".venv/.synced").returncode == 0
    (clone.folder / ".venv" / "of the old place").touch()
    assert clone.run("make", ".venv/.synced").stdout == "make: '.venv/.synced' is up to date.\n"

    moved = clone.folder.rename(clone.folder.with_name("moved"))
    clone.folder, clone.path = moved, moved / "path"
    done = clone.run("make", "down")

    assert done.returncode == 0, done.stderr
    assert "making .venv anew" in done.stderr
    assert done.stdout == f"Nothing runs in {moved / '.flowtask'}.\n"
    assert not (moved / ".venv" / "of the old place").exists()
    assert clone.run("make", "down").stderr == ""


@pytest.mark.parametrize("broken", ["#!/nowhere/python\n", "#!/bin/sh\nexit 1\n", None])
def test_an_environment_whose_python_is_gone_or_too_old_is_made_anew(clone, broken):
    assert clone.run("make", ".venv/.synced").returncode == 0
    python = clone.folder / ".venv" / "bin" / "python"
    python.unlink()
    if broken is None:
        python.symlink_to("/nowhere/python3")
    else:
        write_program(python, broken)

    done = clone.run("make", "down")

    assert done.returncode == 0, done.stderr
    assert "making .venv anew" in done.stderr
    assert (clone.folder / "python").read_text().strip() == str(clone.path / "python3"), "the Python of this machine"


def test_make_doctor_and_make_reset_work_from_a_path_with_spaces_and_other_letters(clone):
    done = clone.run("make", "doctor")
    assert "PostgreSQL" in done.stdout, done.stderr
    assert str(clone.folder / ".flowtask") in done.stdout
    assert done.returncode == 0, done.stdout
    assert not (clone.folder / ".flowtask").exists()

    assert (
        clone.run("make", "reset").stdout
        == f"Nothing to remove: there is no FlowTask in {clone.folder / '.flowtask'}.\n"
    )
