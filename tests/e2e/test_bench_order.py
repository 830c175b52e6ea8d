"""Webhooks in order while dispatchers are killed and answers fail: a small one of what `bench order` measures."""

from pathlib import Path

import pytest

from e2e.benches import run_bench

pytestmark = pytest.mark.timeout(600)  # a minute of work and a start, on a machine that may have other work


def test_every_resource_arrives_in_order_whoever_is_killed_and_a_blocked_key_holds_up_no_other(tmp_path: Path) -> None:
    small = ("--resources", "20", "--events", "12", "--kills", "2", "--every", "2", "--drain", "10", "--seed", "9")
    quick = ("--pairs", "1", "--seconds", "1", "--quick")
    said = run_bench(tmp_path, "order", *small, *quick)
    assert "240 changes of 20 resources" in said
    assert "held up: 1 key, 11 deliveries behind it" in said
    assert "in order: lost 0, out of order 0" in said
    assert "other keys, beside one that is blocked: p50/p99 ms" in said
    assert "drained out of order 0" in said
    assert not list(tmp_path.iterdir())
