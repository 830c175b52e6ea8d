"""Small files that must never be seen half-written."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace the file in one step: a reader sees the old text or the new one, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any, mode: int = 0o600) -> None:
    """Like `write_text`, with JSON that people can read."""
    write_text(path, json.dumps(value, indent=2) + "\n", mode)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in the file; an empty one when there is no file, or something else is in it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def half_written(path: Path) -> list[Path]:
    """What crashes in the middle of `write_text` to this file have left beside it."""
    return sorted(path.parent.glob(f".{path.name}.????????"))
