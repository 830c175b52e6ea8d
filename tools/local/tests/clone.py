"""A clone in small: `uv.sh` and the Makefile in a folder of their own, with stand-ins for uv, pip and venv on its PATH."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_TOOLS = ("sh", "dirname", "cat", "grep", "cut", "awk", "df", "rm", "mkdir", "rmdir", "sleep", "uname", "ldd", "make")

# Fails when another one is at work, as two real ones would get into each other's way.
_UV = f"""\
#!/bin/sh
[ "$1" = --version ] && echo "uv 0.13.9 (stand-in)" && exit
mkdir busy || exit 9
sleep 0.2
[ -z "$UV_PYTHON" ] || echo "$UV_PYTHON" >python
mkdir -p .venv/bin
rm -f .venv/bin/python
printf '#!/bin/sh\\nexec "{sys.executable}" "$@"\\n' >.venv/bin/python
printf '#!/bin/sh\\nexec "{sys.executable}" -m flowtask_local.main "$@"\\n' >.venv/bin/flowtask
chmod +x .venv/bin/python .venv/bin/flowtask
echo "$@" >>calls
rmdir busy
"""
_PIP = """\
#!/bin/sh
mkdir busy || exit 9
cp "$(dirname "$0")/../../uv.template" .uv/bin/uv
rmdir busy
echo pip >>calls
"""
_PYTHON = f"""\
#!/bin/sh
case "$*" in
*"-m venv"*) mkdir busy || exit 9; rm -rf .uv; mkdir -p .uv/bin; cp pip.template .uv/bin/python; sleep 0.2; rmdir busy ;;
*_base_executable*) echo "$0" ;;
*) exec "{sys.executable}" "$@" ;;
esac
"""


def write_program(path, text):
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


class Clone:
    """`run` and `begin` start its programs with nothing on PATH but what the test put there."""

    def __init__(self, folder, *, uv=True):
        self.folder = folder
        self.path = folder / "path"
        (folder / "tools" / "local").mkdir(parents=True)
        self.path.mkdir()
        shutil.copy(ROOT / "tools" / "local" / "uv.sh", folder / "tools" / "local")
        shutil.copy(ROOT / "Makefile", folder)
        for name in ("uv.lock", "pyproject.toml"):
            (folder / name).touch()
        for tool in (*_TOOLS, "cp", "chmod", "touch"):
            found = shutil.which(tool)
            if found is not None:
                (self.path / tool).symlink_to(found)
        write_program(self.path / "python3", _PYTHON)
        write_program(folder / "uv.template", _UV)
        write_program(folder / "pip.template", _PIP)
        if uv:
            write_program(self.path / "uv", _UV)

    def put(self, name, text):
        """Puts a program on PATH instead of the real one."""
        (self.path / name).unlink(missing_ok=True)
        write_program(self.path / name, text)

    def begin(self, *command, before=(), **environment):
        return subprocess.Popen(
            [*before, *(command or ("tools/local/uv.sh", "sync", "--frozen"))],
            cwd=self.folder,
            env={"PATH": str(self.path), "HOME": str(self.folder), "LC_ALL": "C.UTF-8", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command, before=(), **environment):
        with self.begin(*command, before=before, **environment) as process:
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    @property
    def calls(self):
        """What uv and pip were asked for."""
        told = self.folder / "calls"
        return told.read_text().splitlines() if told.exists() else []


def normal_user():
    """What to put before a command so that it runs as a normal user: nothing when we are one; else `daemon`, with the right to read alone, for the interpreter may lie in a folder of root's."""
    if os.geteuid() != 0:
        return []
    program = shutil.which("setpriv")
    if program is None:
        pytest.skip("root, and this machine has no setpriv to become a normal user with")
    caps = "-all,+dac_read_search"
    return [
        *(program, "--reuid=daemon", "--regid=daemon", "--clear-groups"),
        *(f"--inh-caps={caps}", f"--ambient-caps={caps}", f"--bounding-set={caps}"),
    ]
