import subprocess
import sys
from pathlib import Path

import notes

BARE = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(notes.__file__).parents[1])}
AWAY = {"FLOWTASK_DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/d", "FLOWTASK_NATS_URL": "nats://127.0.0.1:1"}


def run(*arguments, **environment):
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, env={**BARE, **environment}, capture_output=True, encoding="utf-8", check=False)


def test_missing_settings_are_told_one_a_line():
    done = run("notes.app", "serve", FLOWTASK_PORT="x")
    assert done.returncode == 2
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        "FLOWTASK_DATABASE_URL",
        "FLOWTASK_NATS_URL",
        "FLOWTASK_PORT",
    ]


def test_a_migration_without_a_database_ends_with_one_line():
    done = run("notes.app", "migrate", **AWAY)
    assert done.returncode == 1
    assert done.stderr.startswith("The database cannot be reached: ")
    assert len(done.stderr.splitlines()) == 1
    assert "hunter2" not in done.stderr
