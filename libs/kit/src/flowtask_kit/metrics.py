"""Prometheus metrics that every service has. Labels never hold an endpoint, a tenant or other unbounded values."""

from prometheus_client import Counter, Gauge, Histogram

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

HTTP_SECONDS = Histogram(
    "flowtask_http_request_seconds",
    "Time from the request's head to the end of the answer.",
    ("method", "route", "status"),
    buckets=FAST,
)
OUTBOX_PUBLISHED = Counter("flowtask_outbox_published_total", "Outbox rows published and acknowledged.")
OUTBOX_FAILURES = Counter("flowtask_outbox_failures_total", "Relay rounds that ended early, by cause.", ("cause",))
OUTBOX_LAG = Histogram(
    "flowtask_outbox_lag_seconds",
    "Age of an outbox row when JetStream acknowledged it.",
    buckets=(*FAST, 60.0, 600.0),
)
OUTBOX_OLDEST = Gauge("flowtask_outbox_oldest_seconds", "Age of the oldest row still in the outbox.")
ERASURE_OLDEST = Gauge("flowtask_erasure_oldest_seconds", "Age of the oldest erasure that is not done yet.")
COMMANDS_ANSWERED = Histogram(
    "flowtask_command_seconds", "Time to answer a command.", ("command", "status"), buckets=FAST
)
MESSAGES_CONSUMED = Counter(
    "flowtask_messages_total", "Messages of a durable consumer, by outcome.", ("consumer", "outcome")
)
BUS_CONNECTED = Gauge("flowtask_bus_connected", "1 while the connection to NATS is up.")
LOOP_RESTARTS = Counter("flowtask_loop_restarts_total", "Background loops that failed and were begun anew.", ("loop",))
JOB_RUNS = Counter(
    "flowtask_job_runs_total",
    "Runs of recurring jobs, by outcome; `lost` is one whose end did not count.",
    ("job", "outcome"),
)
JOB_SINCE_SUCCESS = Gauge(
    "flowtask_job_seconds_since_success",
    "Seconds since a recurring job last ended well, on whichever replica; since its first slot if it never did.",
    ("job",),
)
