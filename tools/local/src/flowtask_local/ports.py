"""TCP ports on 127.0.0.1: which are free, and which a folder used last time."""

import socket
from collections.abc import Mapping
from pathlib import Path

from .files import read_object, write_json

HOST = "127.0.0.1"
_HIGHEST = 65535


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """True when a server could listen on this port now; connections that are closing do not count as taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    # macOS lets one bind 127.0.0.1 beside a server on all addresses, so ask the port itself too.
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) != 0


def remembered(path: Path) -> dict[str, int]:
    """The ports that a folder used last time, by name; what is no port is left out."""
    return {name: port for name, port in read_object(path).items() if type(port) is int and 0 < port <= _HIGHEST}


class PortBook:
    """Gives each name a port and remembers it in a file: the one of last time, else the default, else a free one."""

    def __init__(self, path: Path, defaults: Mapping[str, int]) -> None:
        self._path = path
        self._defaults = dict(defaults)
        self._ports = remembered(path)
        self._given: dict[str, int] = {}
        self.replaced: dict[str, tuple[int, int]] = {}

    def port(self, name: str) -> int:
        """The port for this name, another than before if that is taken by now.

        `replaced` tells the names whose wished port was taken, as (wished, given).
        """
        wished = self._ports.get(name) or self._defaults.get(name, 0)
        others = {port for other, port in self._given.items() if other != name}
        given = wished
        while given == 0 or given in others or not is_free(given):
            given = free_port()
        if wished not in {0, given}:
            self.replaced[name] = (wished, given)
        self._given[name] = given
        if self._ports.get(name) != given:
            self._ports[name] = given
            write_json(self._path, self._ports)
        return given
