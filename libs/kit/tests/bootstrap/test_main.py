import json
import subprocess
import sys
from pathlib import Path

import pytest

from flowtask_contracts.topology import FLOWTASK

PROGRAM = Path(sys.executable).parent / "flowtask-bootstrap"
PASSWORDS = {service.name: "x" for service in FLOWTASK.services}


def run(environment, *arguments):
    return subprocess.run(
        [PROGRAM, *arguments],
        env={f"FLOWTASK_BOOTSTRAP_{name}": value for name, value in environment.items()},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def servers(mortal_postgres, nats_server_factory):
    mortal_postgres.create_database("platform")
    yield {"DATABASE_URL": mortal_postgres.url("platform"), "NATS_URL": nats_server_factory().url()}
    mortal_postgres.drop_database("platform")


def test_missing_settings_are_told_one_a_line():
    done = run({"STREAM_REPLICAS": "9"})
    assert done.returncode == 2
    assert sorted(line.partition(":")[0] for line in done.stderr.splitlines()) == [
        "FLOWTASK_BOOTSTRAP_DATABASE_URL",
        "FLOWTASK_BOOTSTRAP_NATS_URL",
        "FLOWTASK_BOOTSTRAP_ROLE_PASSWORDS",
        "FLOWTASK_BOOTSTRAP_STREAM_REPLICAS",
    ]


def test_it_prepares_the_platform_and_may_be_repeated(servers):
    for _ in range(2):
        done = run({**servers, "ROLE_PASSWORDS": json.dumps(PASSWORDS)})
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout) == {"bootstrap": "done"}


def test_a_missing_password_is_one_line_that_names_the_service(servers):
    done = run({**servers, "ROLE_PASSWORDS": json.dumps({"api": "hunter2"})})
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "webhook-dispatcher" in done.stderr
    assert "hunter2" not in done.stderr
