"""One line of a service's log, as people read it."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Paint = Callable[[str, str], str]
"""Gives a text a style such as "bold red"; answers it as it is where there are no colours."""

_PALETTE = ("cyan", "magenta", "blue", "green", "yellow")
_LEVELS = {"debug": "dim", "info": "green", "warning": "yellow", "error": "red", "critical": "bold red"}
_LEFT_OUT = frozenset(
    {"timestamp", "level", "event", "service", "module", "logger", "exception", "trace_id", "span_id"}
)
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code != ord("\t")}


class Reader:
    """Makes lines readable: time, service in its colour, level, event, key=value. What is not JSON stays as it is."""

    def __init__(self, paint: Paint) -> None:
        self._paint = paint
        self._colours: dict[str, str] = {}
        self._width = 0

    def readable(self, name: str, line: str) -> str:
        """One line, and below it the stack trace if it tells of one; never a control character of a stranger."""
        service = self._service(name)
        told = _parse(line)
        if told is None:
            return f"{self._paint(f'{datetime.now().astimezone():%H:%M:%S.%f}'[:-3], 'dim')} {service} {safe(line)}"
        level = str(told.get("level", ""))
        parts = [
            self._paint(_time(told), "dim"),
            service,
            self._paint(f"{safe(level):<7}", _LEVELS.get(level, "")),
            self._paint(safe(str(told.get("event", ""))), "bold"),
            *(f"{self._paint(safe(key) + '=', 'dim')}{_value(value)}" for key, value in _fields(told)),
        ]
        trace = str(told.get("exception") or "")
        return "\n".join([" ".join(parts), *(f"    {safe(row)}" for row in trace.splitlines())])

    def _service(self, name: str) -> str:
        self._width = max(self._width, len(name))
        colour = self._colours.setdefault(name, _PALETTE[len(self._colours) % len(_PALETTE)])
        return self._paint(f"{name:<{self._width}}", colour)


def _parse(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) and "event" in told else None


def _time(told: Mapping[str, Any]) -> str:
    """The moment as clocks here show it, to the millisecond."""
    try:
        moment = datetime.fromisoformat(str(told["timestamp"])).astimezone()
    except (KeyError, ValueError):
        moment = datetime.now().astimezone()
    return f"{moment:%H:%M:%S.%f}"[:-3]


def _fields(told: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(key, value) for key, value in told.items() if key not in _LEFT_OUT]


def _value(value: Any) -> str:
    if isinstance(value, str) and value and not any(sign.isspace() or sign in "\"'=" for sign in value):
        return safe(value)
    return safe(json.dumps(value, ensure_ascii=False))


def safe(text: str) -> str:
    """The text with every control character of a stranger made visible."""
    return text.translate(_CONTROL)
