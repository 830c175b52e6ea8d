"""The notes service as a process of its own."""

import sys
from pathlib import Path

from flowtask_local.ports import free_port
from flowtask_local.probe import get_status
from flowtask_local.process import Process

from .contracts import NOTES
from .world import DATABASE, PASSWORDS


class NotesProcess(Process):
    """Serves from entering until leaving; `url` is where."""

    def __init__(self, postgres, nats, *, database=DATABASE, module="notes.app", **environment):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(
            "notes",
            [sys.executable, "-W", "error", "-m", module, "serve"],
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(Path(__file__).parents[1]),
                "PYTHONUNBUFFERED": "1",
                "FLOWTASK_DATABASE_URL": postgres.url(database, user=NOTES.role, password=PASSWORDS["notes"]),
                "FLOWTASK_NATS_URL": nats.url("notes", PASSWORDS["notes"]),
                "FLOWTASK_PORT": str(self.port),
                **environment,
            },
        )

    def __enter__(self):
        self.start()
        self.wait_until(lambda: get_status(self.port, "/livez") == 200, "alive", 30.0)
        return self
