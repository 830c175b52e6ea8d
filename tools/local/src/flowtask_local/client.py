"""The few calls of the public API that the commands of this package make, over one connection that stays open."""

import http.client
import json
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from .errors import ApiAwayError, ApiRefusedError

_SECONDS = 10.0


class Client:
    """Calls one API with one key. `answered_at` is the `perf_counter` at which the latest answer was read to its end.

    `seconds` is how long it waits for the API to accept a connection, and for each piece of an answer.
    """

    def __init__(self, api_url: str, api_key: str, *, seconds: float = _SECONDS) -> None:
        address = urlsplit(api_url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=seconds)
        self._key = api_key
        self.answered_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, idempotency_key: str | None = None
    ) -> Any:
        """The `data` of the answer, None when it has none.

        ApiRefusedError, with the API's own words, for a refusal; ApiAwayError when asking later may help.
        """
        sent = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        try:
            self._connection.request(method, f"/api/v1{path}", sent, headers)
            answer = self._connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise ApiAwayError(
                f"{method} {path}: the API did not answer ({str(error) or type(error).__name__})."
            ) from None
        self.answered_at = time.perf_counter()
        told = _json(raw)
        if answer.status >= http.client.BAD_REQUEST:
            raise _refusal(f"{method} {path}", answer.status, told.get("error") or {})
        return told.get("data")


def _refusal(call: str, status: int, error: dict[str, Any]) -> ApiAwayError | ApiRefusedError:
    words = f"{error.get('code', '')} {error.get('message', '')}".strip()
    details = "; ".join(f"{one['field']}: {one['message']}" for one in error.get("details") or ())
    sentence = f"{call} was answered with {status} {words}".rstrip() + (f" ({details})." if details else ".")
    if status >= http.client.INTERNAL_SERVER_ERROR or status == http.client.TOO_MANY_REQUESTS:
        return ApiAwayError(sentence)
    return ApiRefusedError(sentence, status, details)


def _json(raw: bytes) -> dict[str, Any]:
    try:
        told = json.loads(raw or b"{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
