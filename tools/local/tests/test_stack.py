# ruff: noqa: S310 - the addresses and commands are this file's own
import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from flowtask_local.errors import BrokenHomeError, HomeHeldError, ProcessEndedError
from flowtask_local.services import SERVICES
from flowtask_local.stack import Stack

CREDENTIALS = {"STRIPE_SECRET_KEY": "sk_1", "CLERK_SECRET_KEY": "clerk_1", "RESEND_API_KEY": "re_1"}


@pytest.fixture
def make_stack(tmp_path, bin_dir, made_home):
    """Makes stacks over one home of this test, of stand-in services; ends them after the test."""
    made = []
    subprocess.run(["cp", "-a", made_home, tmp_path / "home dir"], check=True)

    def make(**options):
        stack = Stack(tmp_path / "home dir", **{"bin_dir": bin_dir, "durable": False, **options})
        made.append(stack)
        return stack

    yield make
    for stack in made:
        stack.close()


def environment_of(process):
    with urllib.request.urlopen(f"{process.url}/environment", timeout=5) as answer:
        return json.loads(answer.read())


def test_a_stack_comes_up_serves_crashes_restarts_and_ends(make_stack, living, tmp_path):
    heard = []
    stack = make_stack(
        on_line=lambda name, line: heard.append((name, json.loads(line)["event"])), replicas={"webhook-dispatcher": 2}
    )

    stack.up()

    assert [process.name for process in stack.processes] == [
        "api",
        "webhook-dispatcher",
        "webhook-dispatcher-2",
        "billing",
        "mailer",
    ]
    assert all(process.ready for process in stack.processes)
    assert {("api", "started"), ("webhook-dispatcher-2", "started")} <= set(heard)
    third = stack.add_replica("webhook-dispatcher", env={"EXTRA": "yes"})
    assert environment_of(third)["EXTRA"] == "yes"

    api = stack.service("api")
    with pytest.raises((OSError, http.client.HTTPException)):
        urllib.request.urlopen(f"{api.url}/crash", timeout=5)
    assert api.wait(5) == -signal.SIGKILL
    api.restart(env={"FLOWTASK_CRASHPOINTS": "once:1"})
    assert environment_of(api)["FLOWTASK_CRASHPOINTS"] == "once:1"
    api.restart()
    assert "FLOWTASK_CRASHPOINTS" not in environment_of(api)

    stack.postgres.kill()
    stack.nats.kill()
    assert all(process.running for process in stack.processes)
    stack.start_servers()
    assert stack.postgres.running
    assert stack.nats.running

    processes = stack.processes
    pids = [process.pid for process in (*processes, stack.postgres, stack.nats)]
    stack.close()
    assert not living(pids)
    assert [process.returncode for process in processes] == [0] * len(processes)
    assert (tmp_path / "home dir" / "logs" / "api.log").read_text().count('"event": "drained"') == 2


def test_each_service_is_told_its_own_secrets_and_nothing_more(make_stack, tmp_path):
    os.environ["SOMETHING_OF_THE_SHELL"] = "private"
    stack = make_stack(credentials=CREDENTIALS, extra_env={"api": {"FLOWTASK_CRASHPOINTS": "a:1"}})
    stack.up()
    told = {spec.name: environment_of(stack.service(spec.name)) for spec in SERVICES}
    api, dispatcher = told["api"], told["webhook-dispatcher"]
    del os.environ["SOMETHING_OF_THE_SHELL"]

    assert set(api) - set(dispatcher) == {"FLOWTASK_RATE_LIMITS", "FLOWTASK_CRASHPOINTS"}
    assert set(dispatcher) - set(api) == {
        "FLOWTASK_WEBHOOKS_SECRET_KEYS",
        "FLOWTASK_WEBHOOKS_ALLOW_PRIVATE_NETWORKS",
        "FLOWTASK_WEBHOOKS_ALLOW_HTTP",
        "FLOWTASK_WEBHOOKS_PORTS",
    }
    assert "SOMETHING_OF_THE_SHELL" not in api
    assert api["FLOWTASK_DATABASE_URL"].startswith("postgresql://flowtask_api:")
    assert dispatcher["FLOWTASK_DATABASE_URL"].startswith("postgresql://flowtask_webhook_dispatcher:")
    assert dispatcher["FLOWTASK_NATS_URL"].startswith("nats://webhook-dispatcher:")
    secrets = json.loads((tmp_path / "home dir" / "secrets.json").read_text())
    for name, environment in told.items():
        others = [f"{kind}:{other}" for kind in ("postgres", "nats") for other in told if other != name]
        for secret in ("postgresSuperuser", "natsAdmin", *others):
            assert secrets[secret] not in json.dumps(environment)
    bootstrap = json.loads((tmp_path / "home dir" / "logs" / "flowtask-bootstrap-.json").read_text())
    assert json.loads(bootstrap["FLOWTASK_BOOTSTRAP_ROLE_PASSWORDS"])["api"] == secrets["postgres:api"]
    assert (tmp_path / "home dir" / "logs" / "flowtask-api-migrate.json").exists()


def test_the_demo_user_is_made_once_and_its_key_is_in_no_log(make_stack, tmp_path):
    stack = make_stack()
    stack.up()
    seed = stack.seed()
    assert seed == {"userId": "user of demo@flowtask.local", "workspaceId": "w1", "apiKey": "ft_secret"}
    stack.close()

    again = make_stack()
    again.start_servers()
    assert again.seed() == seed
    assert all("ft_secret" not in log.read_text() for log in (tmp_path / "home dir" / "logs").iterdir())
    assert (tmp_path / "home dir" / "secrets.json").stat().st_mode & 0o077 == 0


def test_ports_stay_from_start_to_start_and_a_taken_one_is_replaced(make_stack):
    stack = make_stack()
    stack.up()
    ports = {process.name: process.port for process in stack.processes}
    stack.close()

    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", ports["api"]))
        taken.listen()
        again = make_stack()
        again.up()

    assert again.service("webhook-dispatcher").port == ports["webhook-dispatcher"]
    assert again.replaced_ports == {"api": (ports["api"], again.service("api").port)}


def test_ports_that_are_taken_at_the_last_moment_are_replaced_too(make_stack):
    stack = make_stack()
    stack._open()
    stack._servers = stack._make_servers()
    wished = stack.nats.port
    with socket.create_server(("127.0.0.1", wished)):
        stack.start_servers()
    assert stack.nats.port != wished
    assert stack.postgres.sql("SELECT 1") == "1\n"

    (api,) = stack._replicas_of(stack.specs["api"])
    wished = api.port
    with socket.create_server(("127.0.0.1", wished)):
        stack.start("api")
        assert api.port != wished
        assert api.ready


def test_ports_that_are_taken_again_and_again_are_replaced_again_and_again(make_stack, monkeypatch):
    stack = make_stack()
    make, taken = stack._make_servers, []

    def make_and_take():
        servers = make()
        if len(taken) < 2:
            taken.append(socket.create_server(("127.0.0.1", servers[0].port)))
        return servers

    monkeypatch.setattr(stack, "_make_servers", make_and_take)
    stack.start_servers()
    assert stack.postgres.sql("SELECT 1") == "1\n"
    for thief in taken:
        assert thief.getsockname()[1] != stack.postgres.port
        thief.close()


@pytest.fixture
def stranger():
    """Listens on a port and answers 200 to everything, as another FlowTask that took it at the last moment would."""
    listening = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    def listen(port):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        listening.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()

    yield listen
    for server in listening:
        server.shutdown()
        server.server_close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells without help who listens on a port")
def test_the_answer_of_a_stranger_on_our_port_is_not_taken_for_ours(make_stack, stranger):
    stack = make_stack()
    stack._open()
    stack._servers = stack._make_servers()
    monitor = stack.nats.monitor_port
    stranger(monitor)
    stack.start_servers()
    assert stack.nats.monitor_port != monitor
    assert stack.nats.healthy

    (api,) = stack._replicas_of(stack.specs["api"])
    wished = api.port
    stranger(wished)
    stack.start("api")
    assert api.port != wished
    assert api.ready


def test_a_service_that_refuses_to_start_is_shown_with_its_last_words(make_stack):
    stack = make_stack(extra_env={"api": {"STAND_IN_REFUSES": "1"}})
    stack.start_servers()

    with pytest.raises(ProcessEndedError, match=r"api ended with exit code 3(?s:.*)Traceback: no such thing"):
        stack.start()


def test_a_home_is_held_by_one_stack_at_a_time(make_stack):
    make_stack().start_servers()

    with pytest.raises(HomeHeldError, match=f"process {os.getpid()}"):
        make_stack().start_servers()


def test_a_home_without_its_secrets_is_not_guessed_at(make_stack, tmp_path):
    stack = make_stack()
    stack.start_servers()
    stack.close()
    (tmp_path / "home dir" / "secrets.json").unlink()

    with pytest.raises(BrokenHomeError, match="Put it back"):
        make_stack().start_servers()


def test_a_forced_end_waits_for_nobody(make_stack):
    stack = make_stack()
    stack.up()
    api = stack.service("api")
    api.signal("STOP")

    closing = threading.Thread(target=stack.close, kwargs={"force": True})
    closing.start()
    closing.join(timeout=10)

    assert api.returncode == -signal.SIGKILL


def test_folders_and_files_are_closed_to_others(make_stack, tmp_path):
    make_stack().start_servers()
    home = tmp_path / "home dir"

    assert home.stat().st_mode & 0o777 == (0o711 if os.geteuid() == 0 else 0o700)
    readable = [path for path in Path(home).iterdir() if path.is_file() and path.stat().st_mode & 0o077]
    assert readable == []
