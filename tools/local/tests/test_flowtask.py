"""The `flowtask` command with the real services, as people use it; each test begins where the one before it ended."""

import json
import os
import shlex
import signal
import subprocess
import sysconfig
from pathlib import Path

import pytest

from flowtask_local.home import Home

FLOWTASK = Path(sysconfig.get_path("scripts")) / "flowtask"
WEBHOOKS = [
    "project.created",
    "task.created",
    "task.updated",
    "task.assigned",
    "task.updated",
    "task.completed",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as somebody would work in, with credentials that no service reads yet."""
    folder = tmp_path_factory.mktemp("with a space")
    (folder / ".env").write_text("STRIPE_SECRET_KEY=sk_test_never_shown\nCLERK_SECRET_KEY=clerk_never_shown\n")
    return folder


def flowtask(folder, *arguments):
    return subprocess.run(
        [FLOWTASK, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def local(folder):
    try:
        return json.loads((folder / ".flowtask" / "local.json").read_text())
    except FileNotFoundError:
        return None


def pids(told):
    return [
        told["pid"],
        told["postgres"]["pid"],
        told["nats"]["pid"],
        *(one["pid"] for one in told["services"].values()),
    ]


def webhooks(text):
    return [row.split()[0] for row in text.splitlines() if row.endswith("both signatures hold")]


@pytest.fixture(scope="module")
def first(folder):
    """The `flowtask up` that these tests share, and the file with what it shows."""
    shown = folder / "shown.txt"
    with shown.open("w") as file:
        process = subprocess.Popen(
            [FLOWTASK, "up"], cwd=folder, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    yield process, shown
    process.kill()
    process.wait()


def test_up_tells_what_to_do_next_and_the_command_works(folder, first, eventually):
    process, shown = first
    eventually(lambda: "Ctrl-C stops." in shown.read_text() or process.poll() is not None, timeout=90)
    text = shown.read_text()

    for step in ("PostgreSQL and NATS", "roles, schemas and streams", "migrations", "services", "demo workspace"):
        assert any(row.strip().startswith(step) and row.endswith(" s") for row in text.splitlines()), text
    assert "No mail leaves this machine" in text
    for name in ("STRIPE_SECRET_KEY", "CLERK_SECRET_KEY"):
        assert f"{name} is set, but no service reads it yet." in text
    assert "never_shown" not in text
    told = local(folder)
    assert (folder / ".flowtask" / "local.json").stat().st_mode & 0o777 == 0o600
    assert told["console"] is None
    assert set(told["services"]) == {"api", "webhook-dispatcher", "billing", "mailer"}
    assert told["apiUrl"] in text
    assert told["apiKey"] in text

    rows = text.splitlines()
    begin = next(number for number, row in enumerate(rows) if row.strip().startswith("curl "))
    command = shlex.split("\n".join(rows[begin : begin + 4]).replace("\\\n", " "))
    answer = subprocess.run(["curl", "-s", *command[1:]], capture_output=True, check=True)
    assert json.loads(answer.stdout)["data"]["name"] == "My first project"
    eventually(lambda: "request method=POST route=/api/v1/projects status=201" in shown.read_text())


def test_a_second_up_is_refused_with_the_name_of_the_first(folder, first):
    refused = flowtask(folder, "up")

    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert f"{folder / '.flowtask'} is held by another FlowTask (process {first[0].pid}, since 20" in refused.stderr
    assert "make down" in refused.stderr
    assert local(folder)["pid"] == first[0].pid


@pytest.mark.usefixtures("first")
def test_the_demo_sees_every_webhook_and_leaves_no_endpoint(folder):
    shown = flowtask(folder, "demo")

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert sorted(webhooks(shown.stdout)) == sorted(WEBHOOKS)
    assert "Every webhook arrived, and every signature holds." in shown.stdout
    assert endpoints(folder) == []


def endpoints(folder):
    told = local(folder)
    asked = ["curl", "-s", "-H", f"Authorization: Bearer {told['apiKey']}", f"{told['apiUrl']}/api/v1/webhooks"]
    return json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)["data"]


@pytest.mark.usefixtures("first")
def test_an_interrupted_demo_leaves_no_endpoint_either(folder):
    dispatcher = local(folder)["services"]["webhook-dispatcher"]["pid"]
    demo = subprocess.Popen([FLOWTASK, "demo"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    begun = demo.stdout.readline()
    os.kill(dispatcher, signal.SIGSTOP)
    demo.send_signal(signal.SIGINT)
    os.kill(dispatcher, signal.SIGCONT)
    rest, _ = demo.communicate(timeout=30)

    assert begun.startswith("Webhooks of")
    assert "Traceback" not in rest
    assert demo.returncode == 130 or sorted(webhooks(rest)) == sorted(WEBHOOKS)
    assert endpoints(folder) == []


def test_nothing_outlives_a_sigkill_and_down_says_so(folder, first, living, eventually):
    process, _ = first
    told = local(folder)
    process.kill()
    process.wait()

    eventually(lambda: not living(pids(told)), timeout=8)
    down = flowtask(folder, "down")
    assert (down.returncode, down.stdout) == (0, f"Nothing runs in {folder / '.flowtask'}.\n")


def test_the_demo_heals_what_a_crash_left_starts_a_flowtask_of_its_own_and_ends_it(folder):
    shown = flowtask(folder, "demo")

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert sorted(webhooks(shown.stdout)) == sorted(WEBHOOKS)
    assert shown.stdout.startswith("Starting FlowTask for the demo ...")
    assert not Home(folder / ".flowtask").taken
    assert local(folder) is None
    logs = {log.name for log in (folder / ".flowtask" / "logs").iterdir()}
    assert {"api.log.1", "bootstrap.log.1"} <= logs, "the second start of this folder"
    assert "api-migrate.log.1" not in logs, "a schema that is there is not migrated again"
