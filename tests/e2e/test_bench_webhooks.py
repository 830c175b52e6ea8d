"""The measurement of webhooks runs: every scenario, tiny and unjudged."""

import contextlib
from pathlib import Path

import pytest

from e2e.benches import run_bench

SCENARIOS = "abcdef"

pytestmark = pytest.mark.timeout(900)  # half a minute of work and a start, on a machine that may have other work


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run may make temporary files, and nobody else does."""
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def page(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a quick run of all scenarios writes down; it ends with 0 only when every delivery has arrived."""
    written = tmp_path_factory.mktemp("written") / "performance.md"
    run_bench(folder, "webhooks", "--quick", "--write", str(written))
    return written.read_text()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_scenario_is_measured(page: str, scenario: str) -> None:
    (section,) = [part for part in page.split("\n## ") if part.startswith(f"({scenario}) ")]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert rows
    assert all(any(character.isdigit() for character in row) for row in rows)


def test_each_promise_has_its_bar(page: str) -> None:
    bars = [line.removeprefix("- bar: ")[:3] for line in page.splitlines() if line.startswith("- bar: ")]
    assert {"(a)", "(b)", "(c)", "(f)"} == set(bars)


def test_nothing_of_a_run_stays(page: str, folder: Path) -> None:
    assert page
    assert not list(folder.iterdir())
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            assert str(folder).encode() not in (process / "cmdline").read_bytes(), process
