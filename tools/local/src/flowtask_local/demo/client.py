"""The few calls of the public API that the demo makes, over one connection that stays open."""

import http.client
import json
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from ..errors import LocalError

_SECONDS = 10.0


class Client:
    """Calls one API with one key. `answered_at` is the `perf_counter` at which the latest answer was read to its end."""

    def __init__(self, api_url: str, api_key: str) -> None:
        address = urlsplit(api_url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_SECONDS)
        self._key = api_key
        self.answered_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The `data` of the answer, None when it has none; LocalError with the API's own words for a refusal."""
        sent = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        try:
            self._connection.request(method, f"/api/v1{path}", sent, headers)
            answer = self._connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise LocalError(
                f"{method} {path}: the API did not answer ({str(error) or type(error).__name__})."
            ) from None
        self.answered_at = time.perf_counter()
        told = _json(raw)
        if answer.status >= http.client.BAD_REQUEST:
            refusal = told.get("error") or {}
            words = f"{refusal.get('code', '')} {refusal.get('message', '')}".strip()
            raise LocalError(f"{method} {path} was answered with {answer.status} {words}".rstrip() + ".")
        return told.get("data")


def _json(raw: bytes) -> dict[str, Any]:
    try:
        told = json.loads(raw or b"{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
