"""A replay beside live traffic, cancelled once and killed twice: a small one of what `bench replay` measures."""

from pathlib import Path

import pytest

from e2e.benches import run_bench

pytestmark = pytest.mark.timeout(900)  # a minute of work and a start, on a machine that may have other work


def test_a_replay_counts_exactly_although_it_is_cancelled_and_its_dispatcher_killed(tmp_path: Path) -> None:
    said = run_bench(tmp_path, "replay", "--quick")
    assert "counted {'delivered': 3000, 'failed': 0, 'skipped': 0}" in said, said
    assert "arrived 3,000" in said
    assert "bar: counts exact: yes" in said
    assert not list(tmp_path.iterdir())
