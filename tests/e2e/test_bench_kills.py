"""Two dispatchers, NATS and PostgreSQL killed under load, each once: a small one of the rounds that `bench kills` runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TARGETS = ("dispatcher 1", "dispatcher 2", "both dispatchers", "NATS", "PostgreSQL")
SEED = "9"
"""By which each of them is killed in five rounds."""

pytestmark = pytest.mark.timeout(900)  # a minute of work and a start, on a machine that may have other work


def test_nothing_is_lost_or_altered_whoever_is_killed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "kills", "--rounds", "5", "--tasks", "250", "--seed", SEED],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f": {target} " in done.stdout for target in TARGETS), done.stdout
    assert "tasks 250, deliveries 1000," in done.stdout
    assert "lost 0, altered 0" in done.stdout
    assert not list(tmp_path.iterdir())
