"""`python -m bench [name ...]`: run the named measurements, or all of them."""

import subprocess
import sys

MEASUREMENTS = {
    "latency": "from the client having read the 201 to the receiver having the webhook",
    "hookclient": "CPU per request of the outgoing HTTP client",
}


def main() -> None:
    """Run measurements one after another."""
    names = sys.argv[1:] or list(MEASUREMENTS)
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        known = "\n".join(f"  {name:12} {what}" for name, what in MEASUREMENTS.items())
        raise SystemExit(f"no measurement called {unknown[0]}; there are:\n{known}")
    for name in names:
        print(f"== {name}: {MEASUREMENTS[name]}", flush=True)
        subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True)


if __name__ == "__main__":
    main()
