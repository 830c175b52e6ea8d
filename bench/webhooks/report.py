"""What was found: tables for the eye, bars for the verdict, and both as a document."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

INTRODUCTION = """\
# Performance of outgoing webhooks

Written by `make bench-webhooks` with `--write docs/performance.md`. Everything is on: attempt log, payloads, metrics, traces;
PostgreSQL with `synchronous_commit` on, NATS with `sync_interval: always`. The dispatcher is the real program; the receiver is a
process of its own that answers 200 at once. Bodies are 1 KB.

"CPU" is microseconds of user and system time for each delivery, by process; PostgreSQL counts with all its backends and workers.
Figures are medians of the rounds, with the range in brackets. Rates depend on what else the machine does, and CPU does too, if less,
so the bars are ratios of CPU or latencies within one run."""


@dataclass(frozen=True)
class Bar:
    """A promise about a figure: it is at most so much."""

    what: str
    value: float
    most: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """True when it is kept."""
        return self.value <= self.most

    def __str__(self) -> str:
        verdict = "met" if self.met else "missed"
        return f"{self.what}: {self.value:.2f}{self.unit}, at most {self.most:g}{self.unit}: {verdict}"


@dataclass
class Section:
    """The findings of one scenario."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    plans: list[tuple[str, str]] = field(default_factory=list)

    def text(self) -> str:
        """The section as Markdown that reads well as it is."""
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = [_line(self.columns, widths), _line(["-" * width for width in widths], widths)]
        lines += [_line(row, widths) for row in self.rows]
        parts = [f"## {self.title}", "\n".join(lines)]
        if self.notes:
            parts.append("\n".join(self.notes))
        if self.bars:
            parts.append("\n".join(f"- bar: {bar}" for bar in self.bars))
        parts += [f"{name}\n\n```text\n{plan}\n```" for name, plan in self.plans]
        return "\n\n".join(parts)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        f"{cell:{'>' if number else '<'}{width}}"
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join([first, *others])} |"


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median, and the range where there is more than one."""
    middle = f"{statistics.median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def percentiles(milliseconds: Sequence[float]) -> tuple[float, float, float]:
    """p50, p95 and p99."""
    points = statistics.quantiles(milliseconds, n=100, method="inclusive")
    return points[49], points[94], points[98]


def machine(postgres: str, nats: str) -> str:
    """What was measured on, and with which versions."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(": ")[2] for line in info.splitlines() if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    packages = ", ".join(f"{name} {version(name)}" for name in ("uvloop", "httptools", "nats-py", "asyncpg"))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} cores of {model}, {memory:.0f} GiB, {platform.system()} "
        f"{platform.release()}, load {os.getloadavg()[0]:.1f} at the start; Python {platform.python_version()}, {packages}; "
        f"{postgres}, {nats}."
    )


def document(machine: str, command: str, sections: Sequence[Section]) -> str:
    """All of it as one page."""
    head = f"{INTRODUCTION}\n\n{machine}\n\nMade with `{command}`."
    return "\n\n".join([head, *(section.text() for section in sections)]) + "\n"
