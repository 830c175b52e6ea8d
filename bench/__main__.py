"""`python -m bench [name ...] [--option ...]`: run the named measurements, or all; each gets the options that follow."""

import itertools
import subprocess
import sys

MEASUREMENTS = {
    "api": "CPU of the API for each kind of request, beside a bare FastAPI ping",
    "latency": "from the client having read the 201 to the receiver having the webhook",
    "lists": "what lists cost the database in a workspace of ten million tasks",
    "webhooks": "drains, latency, isolation, fan-out and backlog of outgoing webhooks, with bars",
    "replay": "a replay of 200,000 deliveries beside live traffic, cancelled, and killed on its way",
    "hookclient": "CPU per request of the outgoing HTTP client",
    "kills": "dispatchers and servers killed at random under load: what is lost, and whether repeats are the same",
    "order": "ordered webhooks while dispatchers are killed and answers fail: what is lost or out of order; events per second",
    "outages": "each service killed for a minute under load: what is lost, doubled, late",
}


def main() -> None:
    """Run measurements one after another; ends with the status of the first that fails."""
    words = sys.argv[1:]
    named = list(itertools.takewhile(lambda word: not word.startswith("-"), words))
    names, options = named or list(MEASUREMENTS), words[len(named) :]
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        known = "\n".join(f"  {name:12} {what}" for name, what in MEASUREMENTS.items())
        raise SystemExit(f"no measurement called {unknown[0]}; there are:\n{known}")
    for name in names:
        print(f"== {name}: {MEASUREMENTS[name]}", flush=True)
        status = subprocess.run([sys.executable, "-m", f"bench.{name}", *options], check=False).returncode
        if status:
            raise SystemExit(status)


if __name__ == "__main__":
    main()
