"""One FlowTask for a file, listeners as people start them, and an app that answers as the title of a task asks."""

import json
import queue
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest

from flowtask_local import running
from flowtask_local.client import Client
from flowtask_local.home import Home
from flowtask_local.ports import free_port
from flowtask_local.receiver import Answer, Receiver

FLOWTASK = Path(sysconfig.get_path("scripts")) / "flowtask"


class LocalFlowTask:
    """A `flowtask up` in a folder of its own, which can be ended and started again.

    It has ports of its own too: while it is away, a test of another file could take the well-known ones.
    """

    def __init__(self, folder):
        self.folder = folder
        self.home = Home(folder / ".flowtask")
        self.home.make()
        names = ("postgres", "nats", "nats-monitor", "api", "webhook-dispatcher")
        self.home.ports_file.write_text(json.dumps({name: free_port() for name in names}))
        self.process = None

    def begin(self):
        with (self.folder / "up.txt").open("a") as shown:
            self.process = subprocess.Popen(
                [FLOWTASK, "up", "--quiet"],
                cwd=self.folder,
                stdout=shown,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        while self.home.holder() != self.process.pid:
            assert self.process.poll() is None, (self.folder / "up.txt").read_text()
            time.sleep(0.02)

    def start(self):
        self.begin()
        found = running.wait_for(self.home, say=lambda _: None, check=lambda: None)
        assert found is not None, (self.folder / "up.txt").read_text()

    def kill(self):
        self.process.kill()
        self.process.wait()

    @property
    def local(self):
        return json.loads(self.home.local_file.read_text())

    def ask(self, method, path, body=None, **options):
        found = running.find(self.home)
        with Client(found.api_url, found.api_key) as client:
            return client.ask(method, path, body, **options)

    def make_task(self, title):
        return self.ask("POST", "/tasks", {"title": title})["id"]

    def endpoints(self):
        return {one["id"]: one for one in self.ask("GET", "/webhooks")}

    def records(self):
        return {path.name: path.read_text() for path in self.home.listeners.glob("*")}


class Listening:
    """A `flowtask listen`, and what it has shown so far."""

    def __init__(self, folder, shown, arguments, **options):
        self._out, self._err = shown.with_suffix(".out"), shown.with_suffix(".err")
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [FLOWTASK, "listen", *arguments], **{"cwd": folder, "stdout": out, "stderr": err, **options}
            )

    @property
    def out(self):
        return self._out.read_text().split("\n")[:-1]

    @property
    def err(self):
        return self._err.read_text().split("\n")[:-1]

    @property
    def secret(self):
        """The newest signing secret that it has shown, None before the first."""
        shown = [word for line in [*self.out, *self.err] for word in line.split() if word.startswith("whsec_")]
        return shown[-1] if shown else None

    def rows(self, **wanted):
        """What it has shown with --json of webhooks with these fields."""
        told = [json.loads(line) for line in self.out]
        return [one for one in told if wanted.items() <= one.items()]

    def end(self, signal):
        self.process.send_signal(signal)
        return self.process.wait(15)


@pytest.fixture(scope="module")
def flowtask(tmp_path_factory):
    """The FlowTask that the tests of a file share."""
    one = LocalFlowTask(tmp_path_factory.mktemp("listen"))
    one.start()
    yield one
    one.kill()


@pytest.fixture
def listen(flowtask, tmp_path, eventually):
    """Starts listeners and waits until they listen; no endpoint outlives its test."""
    started = []

    def start(*arguments, **options):
        one = Listening(flowtask.folder, tmp_path / f"listener {len(started)}", arguments, **options)
        started.append(one)
        eventually(lambda: one.secret is not None or one.process.poll() is not None, timeout=60)
        assert one.process.poll() is None, one.err
        return one

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.terminate()
    for one in started:
        one.process.wait(15)


class App:
    """An app of somebody's: answers with the status in a task's title, and holds the answer to one titled "slow"."""

    def __init__(self):
        self.url = ""
        self.requests = {}
        self.release = queue.SimpleQueue()

    def take(self, arrival, reply):
        title = json.loads(arrival.body)["data"]["title"]
        self.requests.setdefault(title, []).append(arrival)
        if title == "slow":
            self.release.get(timeout=30)
        status = int(title) if title.isdigit() else 200
        reply(Answer(status, {"Location": "/elsewhere"}, f"the app says {status}".encode()))


@pytest.fixture
def app():
    """An app that runs."""
    one = App()
    with Receiver(one.take) as receiver:
        one.url = receiver.url
        yield one
