"""What is counted about Clerk."""

from prometheus_client import Counter

KEY_FETCHES = Counter("flowtask_clerk_key_fetches_total", "Times that Clerk was asked for its keys.", ["outcome"])
