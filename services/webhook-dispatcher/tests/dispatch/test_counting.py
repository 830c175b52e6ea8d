import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from flowtask_webhook_dispatcher.dispatch.counting import HotCounter, HotHistogram

BOUNDS = (0.125, 0.5, 1.0)
VALUES = (0.0625, 0.125, 0.25, 0.5, 0.75, 7.0)


def lines(registry):
    return {line for line in generate_latest(registry).decode().splitlines() if "_created" not in line}


@pytest.fixture
def registries():
    return CollectorRegistry(), CollectorRegistry()


def test_a_histogram_reads_like_the_librarys_own(registries):
    hot, usual = registries
    ours = HotHistogram("took_seconds", "How long.", buckets=BOUNDS, registry=hot)
    theirs = Histogram("took_seconds", "How long.", buckets=BOUNDS, registry=usual)
    assert lines(hot) == lines(usual)
    for some in (VALUES[:2], (), VALUES[5:], VALUES[2:5]):
        ours.observe(some)
        for value in some:
            theirs.observe(value)
    assert lines(hot) == lines(usual)


def test_a_counter_reads_like_the_librarys_own(registries):
    hot, usual = registries
    ours = HotCounter("tries_total", "How often.", ("outcome", "status"), registry=hot)
    theirs = Counter("tries_total", "How often.", ("outcome", "status"), registry=usual)
    assert lines(hot) == lines(usual)
    for values in (("well", "2xx"), ("well", "2xx"), ("badly", "none")):
        ours.inc(values)
        theirs.labels(*values).inc()
    assert lines(hot) == lines(usual)
