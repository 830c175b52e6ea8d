"""The one question that starting up asks over HTTP; it never goes through a proxy."""

import http.client
from contextlib import closing

from .ports import HOST


def get_status(port: int, path: str, timeout: float = 2.0) -> int | None:
    """The status that 127.0.0.1 answers to a GET, or None when it does not answer within `timeout` seconds."""
    with closing(http.client.HTTPConnection(HOST, port, timeout=timeout)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
