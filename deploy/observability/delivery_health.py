"""The dashboard of delivery health, as code: `python deploy/observability/delivery_health.py` prints its JSON for Grafana."""

import sys

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
SELECTED = 'namespace=~"$namespace"'
QUANTILES = (0.5, 0.95, 0.99)


def query(expression: str, legend: str = "") -> prometheus.Dataquery:
    """A query, with what its lines are called."""
    return prometheus.Dataquery().expr(expression).legend_format(legend)


def rate(metric: str, *labels: str, where: str = "") -> str:
    """How often something happens a second, over all replicas."""
    by = f" by ({', '.join(labels)})" if labels else ""
    return f"sum{by} (rate({metric}{{{SELECTED}{where}}}[$__rate_interval]))"


def most(metric: str, *labels: str, where: str = "") -> str:
    """A gauge that every replica tells alike."""
    by = f" by ({', '.join(labels)})" if labels else ""
    return f"max{by} ({metric}{{{SELECTED}{where}}})"


def lines(title: str, unit: str, description: str, *queries: prometheus.Dataquery) -> timeseries.Panel:
    """A panel of lines over time."""
    panel = timeseries.Panel().title(title).description(description).unit(unit).datasource(SOURCE).span(8).height(8)
    for each in queries:
        panel = panel.with_target(each)
    return panel


def quantiles(title: str, description: str, metric: str) -> timeseries.Panel:
    """A panel of how long something takes."""
    buckets = rate(f"{metric}_bucket", "le")
    asked = [query(f"histogram_quantile({each}, {buckets})", f"p{each * 100:g}") for each in QUANTILES]
    return lines(title, "s", description, *asked)


def figure(title: str, unit: str, description: str, expression: str, *steps: tuple[float | None, str]) -> stat.Panel:
    """A panel of one number, coloured by where it stands."""
    thresholds = [models.Threshold(value=value, color=color) for value, color in steps]
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(SOURCE)
        .span(6)
        .height(5)
        .thresholds(dashboards.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(thresholds))
        .with_target(query(expression).instant())
    )


def glance() -> list[stat.Panel]:
    """What to look at first."""
    attempts = "flowtask_webhook_attempts_total"
    delivered = f'sum(rate({attempts}{{{SELECTED},outcome="delivered"}}[30m]))'
    return [
        figure(
            "Attempts that succeed, 30 m",
            "percentunit",
            "Of all attempts: whose endpoints fail shows in their health.",
            f"{delivered} / sum(rate({attempts}{{{SELECTED}}}[30m]))",
            (None, "red"),
            (0.9, "orange"),
            (0.99, "green"),
        ),
        figure(
            "Oldest that is due",
            "s",
            "A delivery that should have been tried by now; above 5 minutes we are late.",
            most("flowtask_webhook_oldest_due_seconds"),
            (None, "green"),
            (60, "orange"),
            (300, "red"),
        ),
        figure(
            "Oldest event in an outbox",
            "s",
            "Events that NATS has not got yet.",
            most("flowtask_outbox_oldest_seconds"),
            (None, "green"),
            (10, "orange"),
            (60, "red"),
        ),
        figure(
            "Circuits open",
            "short",
            "Endpoints that are left alone because they fail.",
            most("flowtask_webhook_circuits", where=',state="open"'),
            (None, "green"),
            (1, "orange"),
        ),
    ]


def on_time() -> list[timeseries.Panel]:
    """How long things take."""
    return [
        quantiles(
            "From the event to its first attempt",
            "Ours alone: receivers have no part in it.",
            "flowtask_webhook_first_attempt_seconds",
        ),
        quantiles(
            "From the event to its delivery",
            "With retries, and receivers that are slow.",
            "flowtask_webhook_end_to_end_seconds",
        ),
        quantiles(
            "Answers of receivers", "From the start of an attempt to its answer.", "flowtask_webhook_attempt_seconds"
        ),
    ]


def attempts() -> list[timeseries.Panel]:
    """What is sent, and what comes of it."""
    return [
        lines(title, "reqps", description, query(rate(metric, label), f"{{{{{label}}}}}"))
        for title, description, metric, label in (
            ("By outcome", "Attempts a second.", "flowtask_webhook_attempts_total", "outcome"),
            ("By status class", "What receivers answer.", "flowtask_webhook_attempts_total", "status"),
            ("Without an answer", "By what stood in the way.", "flowtask_webhook_no_answers_total", "reason"),
            ("Retries", "By number of the try.", "flowtask_webhook_retries_total", "number"),
        )
    ]


def waiting() -> list[timeseries.Panel]:
    """What waits, and what must never be."""
    put_off = query(rate("flowtask_webhook_deferred_total", "reason"), "{{reason}}")
    in_hand = (
        query(f"sum (flowtask_webhook_in_flight{{{SELECTED}}})", "attempts"),
        query(f"sum (flowtask_webhook_in_hand{{{SELECTED}}})", "messages"),
    )
    endpoints = (
        query(most("flowtask_webhook_circuits", "state"), "circuit {{state}}"),
        query(most("flowtask_webhook_disabled_endpoints"), "disabled"),
        query(most("flowtask_webhook_unreadable_secrets"), "with a secret that no key opens"),
    )
    never = (
        query(rate("flowtask_webhook_unrecorded_total"), "not recorded"),
        query(rate("flowtask_webhook_unreadable_total"), "not readable"),
    )
    owners = (
        query(most("flowtask_webhook_blocked_keys"), "blocked keys"),
        query(most("flowtask_webhook_replays", "state"), "replays {{state}}"),
    )
    expired = query(rate("flowtask_webhook_expired_total"), "expired")
    history = query(most("flowtask_webhook_history_bytes", "table"), "{{table}}")
    return [
        lines("Put off", "ops", "Deliveries that became rows of the due table, by reason.", put_off),
        lines("In hand", "short", "Attempts under way, and messages not acknowledged yet.", *in_hand),
        lines("Endpoints", "short", "Left alone, being tried, ended by their receivers.", *endpoints),
        lines("Owners", "short", "Keys that wait until their owners decide, and replays under way.", *owners),
        lines("Given up", "ops", "After five days in which they could not be sent.", expired),
        lines("History", "bytes", "Size of the log, by table.", history),
        lines("Never", "ops", "Anything but 0 is a bug.", *never),
    ]


ROWS = {"At a glance": glance, "On time": on_time, "Attempts": attempts, "What waits": waiting}


def delivery_health() -> models.Dashboard:
    """Are webhooks on time, do receivers take them, what waits."""
    source = dashboards.DatasourceVariable("datasource").label("Data source").type("prometheus")
    namespaces = (
        dashboards.QueryVariable("namespace")
        .label("Namespace")
        .datasource(SOURCE)
        .query("label_values(flowtask_webhook_attempts_total, namespace)")
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )
    board = dashboards.Dashboard("FlowTask / Delivery health").uid("flowtask-delivery-health")
    board = board.tags(["flowtask", "generated"]).refresh("30s").time("now-6h", "now").timezone("utc")
    board = board.with_variable(source).with_variable(namespaces)
    for title, panels in ROWS.items():
        board = board.with_row(dashboards.Row(title))
        for panel in panels():
            board = board.with_panel(panel)
    return board.build()


if __name__ == "__main__":
    sys.stdout.write(JSONEncoder(sort_keys=True, indent=2).encode(delivery_health()) + "\n")
