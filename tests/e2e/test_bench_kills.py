"""Two dispatchers, NATS and PostgreSQL killed under load, each once: a small one of the rounds that `bench kills` runs."""

from pathlib import Path

import pytest

from e2e.benches import run_bench

TARGETS = ("dispatcher 1", "dispatcher 2", "both dispatchers", "NATS", "PostgreSQL")
SEED = "9"
"""By which each of them is killed in five rounds."""

pytestmark = pytest.mark.timeout(900)  # a minute of work and a start, on a machine that may have other work


def test_nothing_is_lost_or_altered_whoever_is_killed(tmp_path: Path) -> None:
    said = run_bench(tmp_path, "kills", "--rounds", "5", "--tasks", "250", "--seed", SEED)
    assert all(f": {target} " in said for target in TARGETS), said
    assert "tasks 250, deliveries 1000," in said
    assert "lost 0, altered 0" in said
    assert not list(tmp_path.iterdir())
