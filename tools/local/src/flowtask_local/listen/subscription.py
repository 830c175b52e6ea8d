"""The endpoint of a listener: made, looked after, made again when it is gone, and removed in the end."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from .. import running
from ..client import Client
from ..errors import ApiAwayError, ApiRefusedError, LocalError
from ..home import Home
from ..probe import get_status
from ..running import Running
from ..signals import Interrupted
from .records import Record, left

_END_SECONDS = 4.0
_NOTHING_THERE = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT})
"""Refusals that say: there is no such endpoint, or the call that should have made it was refused before too."""


class Subscription:
    """One endpoint for these events, from `keep` until `stopping` is set.

    `say` tells people what happens; `made` is called with the FlowTask and the secret of each endpoint that is made.
    Every `look_seconds` it looks whether the API lives, and every `check_seconds`, as well as after an outage, it asks for
    the endpoint: not at every look, for the API's log shows each question.
    """

    def __init__(
        self,
        home: Home,
        events: Sequence[str],
        *,
        stopping: threading.Event,
        say: Callable[[str], None],
        made: Callable[[Running, str], None],
        look_seconds: float = 2.0,
        check_seconds: float = 10.0,
    ) -> None:
        self._home = home
        self._body = {"events": list(events), "description": f"flowtask listen (process {os.getpid()})"}
        self._stopping = stopping
        self._say = say
        self._made = made
        self._making = threading.Lock()
        self._secrets: tuple[str, ...] = ()
        self._updated_at: str | None = None
        self._record: Record | None = None
        self._known: Running | None = None
        self._away = False
        self._look_seconds = look_seconds
        self._check_seconds = check_seconds
        self._check_at = 0.0

    @property
    def secrets(self) -> tuple[str, ...]:
        """What signs: nothing before the first endpoint, and its last two when somebody has changed it.

        While one is made this waits: its first webhook may be quicker than the API's answer.
        """
        with self._making:
            return self._secrets

    def keep(self, url: str) -> None:
        """Have webhooks sent to this URL until `stopping` is set; LocalError for what waiting does not mend."""
        self._body["url"] = url
        try:
            if running.wait_for(self._home, say=self._say, check=self._check) is None:
                raise LocalError(f"No FlowTask runs in {self._home.path}; start one with `make up`, then listen again.")
            self._look()
            while not self._stopping.wait(self._look_seconds):
                self._look()
        except Interrupted:
            pass
        finally:
            self._end()

    def _check(self) -> None:
        if self._stopping.is_set():
            raise Interrupted

    def _look(self) -> None:
        """Make sure that there is an endpoint; when the API does not answer, say so once and leave it for the next look."""
        try:
            found = running.find(self._home)
            if found is None or get_status(urlsplit(found.api_url).port or 0, "/livez") != HTTPStatus.OK:
                raise ApiAwayError("Nothing answers.")  # noqa: TRY301 - it is handled like all that follows
            self._attend(found)
        except ApiAwayError:
            if not self._away:
                self._say("FlowTask does not answer; waiting for it to come back ...")
            self._away = True
            return
        self._away = False

    def _attend(self, found: Running) -> None:
        """Have an endpoint at this FlowTask, if it is time to ask for it; after an outage, what others left goes first."""
        again = found != self._known or self._away
        if not again and time.monotonic() < self._check_at:
            return
        with Client(found.api_url, found.api_key) as client:
            if again:
                with contextlib.closing(left(self._home.listeners)) as records:
                    for record in records:
                        _remove(client, found, record)
            if self._exists(client):
                if again:
                    self._say(f"FlowTask is back at {found.api_url}, and the endpoint is still there.")
            else:
                self._make(client, found)
        self._known = found
        self._check_at = time.monotonic() + self._check_seconds

    def _exists(self, client: Client) -> bool:
        if self._record is None:
            return False
        where = f"/webhooks/{self._record.entry.endpoint_id}"
        try:
            endpoint = client.ask("GET", where)
            if (
                endpoint["updatedAt"] != self._updated_at
            ):  # each reading of a secret is written down, so not at every check
                self._learn(client.ask("GET", f"{where}/secret")["secret"])
                self._updated_at = endpoint["updatedAt"]
        except ApiRefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self._record.drop()
            self._record = None
            return False
        return True

    def _learn(self, secret: str) -> None:
        if secret not in self._secrets:
            self._secrets = (*self._secrets[-1:], secret)
            self._say(f"The signing secret was changed. The new one: {secret}")

    def _make(self, client: Client, found: Running) -> None:
        """Make an endpoint, written down before and after. One that was perhaps made is left to the next look to remove."""
        with self._making:
            record = Record.begin(self._home.listeners, found.workspace_id, self._body)
            try:
                endpoint = client.ask("POST", "/webhooks", self._body, idempotency_key=record.entry.key)
            except ApiRefusedError as error:
                record.drop()
                if error.details:
                    raise LocalError(f"{error.details}.") from error
                raise
            except ApiAwayError:
                record.leave()
                raise
            self._record = record
            record.note(endpoint["id"])
            self._secrets, self._updated_at = (endpoint["secret"],), endpoint["updatedAt"]
            self._made(found, endpoint["secret"])

    def _end(self) -> None:
        """Remove the endpoint; what cannot be removed now stays written down for the next listener."""
        if self._record is None:
            return
        try:
            found = running.find(self._home)
            if found is None:
                raise ApiAwayError("Nothing runs.")
            with Client(found.api_url, found.api_key, seconds=_END_SECONDS) as client:
                _remove(client, found, self._record)
        except LocalError:
            self._record.leave()
            self._say("The endpoint could not be removed now; the next `flowtask listen` in this folder removes it.")


def _remove(client: Client, found: Running, record: Record) -> None:
    """Remove the endpoint of a record, and then the record; both stay when the API is away or does not allow it.

    Of an endpoint whose id nobody wrote down, the same call with the same key tells the id. In another workspace than the
    record's, as after the folder was reset, there is nothing to remove.
    """
    entry = record.entry
    if entry.workspace_id == found.workspace_id:
        try:
            endpoint_id = entry.endpoint_id
            if endpoint_id is None:
                endpoint_id = client.ask("POST", "/webhooks", entry.body, idempotency_key=entry.key)["id"]
            client.ask("DELETE", f"/webhooks/{endpoint_id}")
        except ApiRefusedError as error:
            if error.status not in _NOTHING_THERE:
                raise
    record.drop()
