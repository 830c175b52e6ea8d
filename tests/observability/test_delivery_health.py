"""Alerts and dashboard ask for metrics that there are, and a real Prometheus understands them."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY, start_http_server

from flowtask_kit import metrics as kit
from flowtask_local.ports import HOST, free_port
from flowtask_webhook_dispatcher.deliveries import sizes
from flowtask_webhook_dispatcher.dispatch import metrics

ROOT = Path(__file__).parents[2]
OBSERVABILITY = ROOT / "deploy" / "observability"
RULES = OBSERVABILITY / "rules" / "webhooks.yaml"
DASHBOARD = OBSERVABILITY / "dashboards" / "delivery-health.json"
VARIABLES = {"$namespace": "flowtask", "$__rate_interval": "10s", "[30m]": "[10s]"}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    for name, value in VARIABLES.items():
        asked = [each.replace(name, value) for each in asked]
    return asked


def named(expression: str) -> set[str]:
    """The metrics that an expression asks for."""
    found, ahead = set(), [promql_parser.parse(expression)]
    while ahead:
        part = ahead.pop()
        if type(part).__name__ == "VectorSelector":
            found.add(part.name)
        for below in ("vector_selector", "vs", "expr", "lhs", "rhs", "args"):
            each = getattr(part, below, None)
            ahead += each if isinstance(each, list) else [each] if each is not None else []
    return found


def told() -> set[str]:
    """The metrics that services tell."""
    endings = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}
    return {family.name + ending for family in REGISTRY.collect() for ending in endings.get(family.type, [])}


def test_alerts_and_dashboard_ask_only_for_metrics_that_services_tell() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = {name for each in (*(rule["expr"] for rule in rules()), *queries()) for name in named(each)}
    assert len(asked) > 20
    assert asked - recorded <= told()


def test_the_dashboard_is_what_its_source_says_and_every_panel_can_be_read() -> None:
    made = subprocess.run(
        [sys.executable, OBSERVABILITY / "delivery_health.py"], capture_output=True, text=True, check=True
    )
    assert DASHBOARD.read_text() == made.stdout, "run `make documents`"
    assert len({panel["title"] for panel in panels()}) == len(panels())
    for panel in panels():
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"


def test_every_alert_says_what_it_is_and_where_to_read_on() -> None:
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "operating.md").read_text(), re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len(alerts) >= 8
    for alert in alerts:
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert alert["annotations"]["summary"]
        document, anchor = alert["annotations"]["runbook_url"].split("#")
        assert (document, anchor in anchors) == ("docs/operating.md", True), alert["alert"]


@pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool here (Debian: prometheus)")
def test_every_alert_fires_when_it_should_and_stays_quiet_when_it_should() -> None:
    run = subprocess.run(
        ["promtool", "test", "rules", RULES.with_suffix(".test.yaml").name],
        cwd=RULES.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    tested = {
        each["alertname"]
        for test in yaml.safe_load(RULES.with_suffix(".test.yaml").read_text())["tests"]
        for each in test["alert_rule_test"]
        if each["exp_alerts"]
    }
    assert tested == {rule["alert"] for rule in rules() if "alert" in rule}


def happen() -> None:
    """Let everything that is counted happen once."""
    metrics.ATTEMPTS.inc(("delivered", "2xx"))
    metrics.NO_ANSWERS.labels("timeout").inc()
    metrics.RETRIES.labels("1").inc()
    metrics.DEFERRED.labels("backlog").inc()
    for seconds in (metrics.ATTEMPT_SECONDS, metrics.FIRST_ATTEMPT_SECONDS, metrics.END_TO_END_SECONDS):
        seconds.observe([0.01])
    metrics.CIRCUITS.labels("open").set(0)
    sizes.BYTES.labels("messages").set(1)
    kit.OUTBOX_OLDEST.set(0)


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    """A Prometheus that looks at this process every second."""
    happen()
    port, own = free_port(), free_port()
    shown, serving = start_http_server(port, addr=HOST)
    target = {"targets": [f"{HOST}:{port}"], "labels": {"namespace": "flowtask"}}
    scrapes = [{"job_name": "dispatcher", "scrape_interval": "1s", "static_configs": [target]}]
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump({"scrape_configs": scrapes}))
    options = [
        f"--config.file={tmp_path}/prometheus.yaml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address={HOST}:{own}",
    ]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(["prometheus", *options], stdout=log, stderr=log) as server,
    ):
        yield f"http://{HOST}:{own}"
        server.terminate()
    shown.shutdown()
    shown.server_close()
    serving.join()


def answers(url: str, query: str) -> bool:
    """Whether there is an answer to a query."""
    try:
        with urlopen(f"{url}/api/v1/query?{urlencode({'query': query})}", timeout=10) as answer:  # noqa: S310
            return bool(json.load(answer)["data"]["result"])
    except URLError:
        return False


@pytest.mark.skipif(not shutil.which("prometheus"), reason="there is no Prometheus here (Debian: prometheus)")
def test_a_real_prometheus_answers_every_query_of_the_dashboard(prometheus: str) -> None:
    waiting, deadline = queries(), time.monotonic() + 60
    while waiting and time.monotonic() < deadline:
        happen()
        time.sleep(0.5)
        waiting = [query for query in waiting if not answers(prometheus, query)]
    assert not waiting
