import hashlib
import hmac
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from flowtask_local.services import SERVICES
from flowtask_local.stack import Stack
from flowtask_local.testing import (  # noqa: F401 - fixtures for the tests of this folder
    nats_authorization,
    nats_server,
    nats_server_factory,
    postgres_server,
)

HERE = Path(__file__).parent


@pytest.fixture
def eventually():
    """Waits until a condition holds; fails when it does not within some seconds."""

    def wait(condition, timeout=60.0):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "it did not come to hold in time"
            time.sleep(0.02)

    return wait


@pytest.fixture
def living():
    """Those of the processes that run; the dead who wait for their parent's notice do not count."""

    def look(pids):
        asked = [part for pid in pids for part in ("-p", str(pid))]
        done = subprocess.run(["ps", "-o", "pid=,stat=", *asked], capture_output=True, text=True, check=False)
        return {int(row.split()[0]) for row in done.stdout.splitlines() if not row.split()[1].startswith("Z")}

    return look


@pytest.fixture(scope="session")
def signed():
    """The headers of a webhook with this body, the standard ones by an independent library."""

    def sign(body, secret, webhook_id="evt"):
        at = datetime.now(UTC)
        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(webhook_id, at, body.decode()),
            "x-flowtask-signature": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        }

    return sign


@pytest.fixture(scope="session")
def bin_dir(tmp_path_factory):
    """A folder of console scripts with the names and the manners of the real services."""
    folder = tmp_path_factory.mktemp("programs") / "bin with spaces"
    folder.mkdir()
    for program in (*(spec.program for spec in SERVICES), "flowtask-bootstrap"):
        script = folder / program
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{HERE / "stand_in.py"}" {program} "$@"\n')
        script.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def made_home(tmp_path_factory):
    """A home whose databases are made already, to be copied with `cp -a`: making them takes longer than all the rest."""
    home = tmp_path_factory.mktemp("made") / "home"
    with Stack(home, durable=False) as stack:
        stack.start_servers()
    (home / "ports.json").unlink()
    return home
