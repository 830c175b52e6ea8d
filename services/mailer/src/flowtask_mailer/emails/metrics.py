"""What the mailer counts."""

from prometheus_client import Counter, Gauge, Histogram

SETTLED = Counter(
    "flowtask_mailer_tries_total",
    "Tries to send a mail, by kind of mail, transport and outcome.",
    ["kind", "transport", "outcome"],
)
MISSED = Counter(
    "flowtask_mailer_recipients_missed_total", "Times a mail had to wait for its recipient to become known."
)
OLDEST_DUE = Gauge("flowtask_mailer_oldest_due_seconds", "How long the longest due mail has been due.")
FIRST_TRY = Histogram(
    "flowtask_mailer_first_try_seconds",
    "From queueing a mail to the end of its first try.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)
