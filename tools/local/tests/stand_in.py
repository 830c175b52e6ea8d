"""A service in small: the same commands, probes, logs and manners as a real one, and it can tell what it was told."""

import http.server
import json
import os
import signal
import sys
import threading
from pathlib import Path


def log(event, **fields):
    line = {
        "timestamp": "2026-11-22T10:00:00.000000Z",
        "level": "info",
        "service": sys.argv[1],
        "event": event,
        **fields,
    }
    print(json.dumps(line), flush=True)  # noqa: T201


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/crash":
            os.kill(os.getpid(), signal.SIGKILL)
        self.send_response(200 if self.path in {"/livez", "/readyz", "/environment"} else 404)
        self.end_headers()
        self.wfile.write(json.dumps(dict(os.environ)).encode())

    def log_message(self, *_):
        pass


def serve():
    if os.environ.get("STAND_IN_REFUSES"):
        print("Traceback: no such thing", flush=True)  # noqa: T201
        sys.exit(3)
    if os.environ.get("STAND_IN_SLEEPS"):
        signal.pause()
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["FLOWTASK_PORT"])), Handler)
    except OSError as error:
        sys.exit(str(error))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    log("started", port=server.server_port)
    server.serve_forever()
    log("drained")


match sys.argv[2:]:
    case ["serve"]:
        serve()
    case ["create-user", "--email", email, "--name", _]:
        log("made a user")
        print(json.dumps({"userId": f"user of {email}", "workspaceId": "w1"}), flush=True)  # noqa: T201
        log("said so")
    case ["create-key", "--email", _, "--name", _]:
        print(json.dumps({"id": "k1", "name": "local", "key": "ft_secret", "workspaceId": "w1"}), flush=True)  # noqa: T201
    case other:
        told = {name: value for name, value in os.environ.items() if name.startswith("FLOWTASK_")}
        Path("logs", f"{sys.argv[1]}-{'-'.join(other)}.json").write_text(json.dumps(told), encoding="utf-8")
        log("done")
