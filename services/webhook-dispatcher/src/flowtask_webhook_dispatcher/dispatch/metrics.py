"""Delivery health. No label holds an endpoint or a tenant: those are questions for SQL."""

from functools import partial

from prometheus_client import Counter, Gauge

from flowtask_contracts.commands.webhooks import Circuit
from flowtask_kit.ids import utc_now

from ..endpoints.directory import Directory
from .counting import HotCounter, HotHistogram

ATTEMPTS = HotCounter(
    "flowtask_webhook_attempts_total",
    "Attempts by what they came to (delivered, failed, refused) and status class; `none` where no answer came.",
    ("outcome", "status"),
)
NO_ANSWERS = Counter("flowtask_webhook_no_answers_total", "Attempts without an answer, by reason.", ("reason",))
RETRIES = Counter("flowtask_webhook_retries_total", "Attempts after the first, by number of the try.", ("number",))
ATTEMPT_SECONDS = HotHistogram(
    "flowtask_webhook_attempt_seconds",
    "Time from the start of an attempt to its answer.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
FIRST_ATTEMPT_SECONDS = HotHistogram(
    "flowtask_webhook_first_attempt_seconds",
    "Time from the event to the start of its first attempt.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0),
)
END_TO_END_SECONDS = HotHistogram(
    "flowtask_webhook_end_to_end_seconds",
    "Time from the event to its delivery.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0, 86400.0),
)
CIRCUITS = Gauge("flowtask_webhook_circuits", "Endpoints whose circuit is not closed, by state.", ("state",))
DISABLED = Gauge(
    "flowtask_webhook_disabled_endpoints",
    "Endpoints that were disabled: by their receivers, or because nothing arrived for long.",
)
UNREADABLE_SECRETS = Gauge(
    "flowtask_webhook_unreadable_secrets",
    "Endpoints with a secret that no key of the ring opens; nothing is sent to them.",
)
IN_FLIGHT = Gauge("flowtask_webhook_in_flight", "Attempts under way in this process.")
IN_HAND = Gauge("flowtask_webhook_in_hand", "Stream messages pulled and not yet acknowledged by this process.")
DEFERRED = Counter("flowtask_webhook_deferred_total", "Deliveries that became due rows, by reason.", ("reason",))
EXPIRED = Counter("flowtask_webhook_expired_total", "Deliveries given up because they could not be sent for five days.")
CLAIMED = Counter("flowtask_webhook_claimed_total", "Due rows claimed.")
LATE_RESULTS = Counter("flowtask_webhook_late_results_total", "Results that came after their claim was lost.")
UNRECORDED = Counter("flowtask_webhook_unrecorded_total", "Entries that the database refused.")
UNREADABLE = Counter(
    "flowtask_webhook_unreadable_total", "Stream messages that are not events; kept apart, never sent."
)
OLDEST_DUE = Gauge(
    "flowtask_webhook_oldest_due_seconds",
    "How long the first of all due rows has been due, beside replays, which wait for each other.",
)


def watch(directory: Directory) -> None:
    """Tell of circuits, disabled and unreadable endpoints whenever somebody asks; every replica knows all of them."""
    DISABLED.set_function(lambda: len(directory.disabled))
    UNREADABLE_SECRETS.set_function(lambda: len(directory.unreadable))
    for state in (Circuit.OPEN, Circuit.HALF_OPEN):
        CIRCUITS.labels(state.value).set_function(partial(_in, directory, state))


def _in(directory: Directory, state: Circuit) -> int:
    now = utc_now()
    return sum(breaker.circuit(now) is state for breaker in list(directory.held.values()))
