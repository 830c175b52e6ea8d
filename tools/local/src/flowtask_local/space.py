"""Room on a disk, and a watch that says when it runs out and when there is some again."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

MIB = 1024 * 1024
_SCARCE, _ENOUGH = 16 * MIB, 24 * MIB
_LOOK_SECONDS = 1.0


def free_bytes(path: Path) -> int:
    """What may still be written to the disk of this folder, or of the nearest one above that exists."""
    return shutil.disk_usage(next(place for place in (path, *path.parents) if place.exists())).free


class SpaceWatch:
    """Looks every second until `stopping` is set: says once that room is scarce, and calls `on_room` once there is some again."""

    def __init__(
        self, folder: Path, *, stopping: threading.Event, say: Callable[[str], None], on_room: Callable[[], None]
    ) -> None:
        self._folder = folder
        self._stopping = stopping
        self._say = say
        self._on_room = on_room
        self._thread = threading.Thread(target=self._run, name="space", daemon=True)
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait for the end of the watch itself, after `stopping` was set."""
        self._thread.join(timeout)

    def _run(self) -> None:
        scarce = False
        while not self._stopping.wait(_LOOK_SECONDS):
            free = free_bytes(self._folder)
            if not scarce and free < _SCARCE:
                scarce = True
                self._say(
                    f"The disk that holds {self._folder} is full or nearly so ({free // MIB} MB are free): writes may "
                    "be refused until there is room; make some, then all goes on by itself and nothing accepted is lost."
                )
            elif scarce and free > _ENOUGH:
                scarce = False
                self._say(f"The disk that holds {self._folder} has room again.")
                self._on_room()
