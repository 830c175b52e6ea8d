"""A process that ends although nobody asked it to is started again."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from .errors import LocalError

_LOOK_SECONDS = 0.1
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_HEALTHY_SECONDS = 60.0


@dataclass(frozen=True)
class Charge:
    """What a keeper looks after: `start` starts it and returns at once or when it is ready, `wait_ready` waits for that."""

    name: str
    runs: Callable[[], bool]
    start: Callable[[], None]
    wait_ready: Callable[[], None]


class Keeper:
    """Looks after one process until `stopping` is set: after its end it starts it again, after pauses that grow to 30 s.

    It starts nothing outside `gate`, so whoever sets `stopping` while holding the gate knows that nothing starts any more.
    """

    def __init__(
        self,
        charge: Charge,
        *,
        stopping: threading.Event,
        gate: threading.Lock,
        say: Callable[[str], None],
        on_change: Callable[[], None],
    ) -> None:
        self._charge = charge
        self._stopping = stopping
        self._gate = gate
        self._say = say
        self._on_change = on_change
        self._pause = _FIRST_PAUSE
        self._thread = threading.Thread(target=self._run, name=f"{charge.name}-keeper", daemon=True)
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait for the end of the keeper itself, after `stopping` was set."""
        self._thread.join(timeout)

    def _run(self) -> None:
        since = time.monotonic()
        while not self._stopping.wait(_LOOK_SECONDS):
            if self._charge.runs():
                if time.monotonic() - since > _HEALTHY_SECONDS:
                    self._pause = _FIRST_PAUSE
                continue
            self._say(f"{self._charge.name} ended; starting it again in {self._pause:g} s.")
            if self._stopping.wait(self._pause):
                return
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
            self._restart()
            since = time.monotonic()

    def _restart(self) -> None:
        try:
            with self._gate:
                if self._stopping.is_set():
                    return
                self._charge.start()
            self._on_change()
            self._charge.wait_ready()
        except (LocalError, OSError) as error:
            if not self._stopping.is_set():
                first, *rest = (row.strip() for row in str(error).splitlines())
                self._say(" ".join([f"{self._charge.name} did not come up:", first, *rest[-1:]]))
        else:
            if not self._stopping.is_set():
                self._say(f"{self._charge.name} runs again.")
