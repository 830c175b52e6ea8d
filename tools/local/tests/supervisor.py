"""Starts what its arguments name, prints the process ids as one JSON line, and waits to be ended."""

import json
import sys
import threading
from pathlib import Path

from flowtask_local import lifeline
from flowtask_local.nats import EmbeddedNats
from flowtask_local.postgres import EmbeddedPostgres
from flowtask_local.process import Process

folder = Path(sys.argv[1])
pids = {}
for wanted in sys.argv[2:]:
    match wanted:
        case "postgres":
            started = EmbeddedPostgres(folder / "postgres", durable=False)
        case "nats":
            started = EmbeddedNats(folder / "nats", durable=False)
        case "stubborn":
            started = Process(wanted, ["/bin/sh", "-c", 'trap "" TERM INT; while :; do sleep 1; done'], env={})
        case _:
            started = Process(wanted, ["/bin/sh", "-c", "sleep 1000 & sleep 1000"], env={})
    threading.Thread(target=started.start).start()  # from a thread that ends: the child must not end with it
    while not started.pid:
        threading.Event().wait(0.01)
    pids[wanted] = started.pid
    if wanted in {"postgres", "nats"}:
        while not started.log_lines:
            threading.Event().wait(0.01)
guardian = lifeline.lifeline()._guardian
pids["guardian"] = guardian.pid
print(json.dumps(pids), flush=True)  # noqa: T201
threading.Event().wait()
