"""What the limiter counts."""

from prometheus_client import Counter, Gauge

REFUSED = Counter(
    "flowtask_rate_limited_total", "Requests that were refused, by the limit that was reached.", ["limit"]
)
ALONE = Gauge("flowtask_rate_limits_alone", "1 while Redis is away and each replica limits by itself.")
