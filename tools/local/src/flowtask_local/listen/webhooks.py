"""One webhook as it came and what became of it, for people and for machines."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..loglines import Paint, safe
from ..receiver import Arrival
from .forwarding import Forwarded

HEADING = f"{'time':<12}  {'type':<18}  {'id':<36}  {'status':>6}  {'latency':>10}"

_GOOD = range(200, 300)


@dataclass(frozen=True)
class Webhook:
    """A request that came: `verified` when both signatures hold, `repeat` when its id came before, verified too."""

    at: datetime
    arrival: Arrival
    verified: bool
    repeat: bool
    payload: Any

    @property
    def id(self) -> str | None:
        """The event's id, the same for every attempt."""
        return self.arrival.headers.get("webhook-id")

    @property
    def type(self) -> str | None:
        """The event's type, from the body that is signed."""
        kind = self._field("event")
        return kind if isinstance(kind, str) else None

    @property
    def resource_id(self) -> str | None:
        """The id of what the event is about."""
        data = self._field("data")
        found = data.get("id") if isinstance(data, dict) else None
        return found if isinstance(found, str) else None

    @property
    def latency_ms(self) -> float | None:
        """Milliseconds from the event's time to its arrival; None when the body does not tell that time."""
        try:
            happened = datetime.fromisoformat(self._field("timestamp"))
            return (self.at - happened).total_seconds() * 1000
        except (TypeError, ValueError):
            return None

    def _field(self, name: str) -> Any:
        return self.payload.get(name) if isinstance(self.payload, dict) else None


def parsed(body: bytes) -> Any:
    """The JSON in a body, None when it is none that could be written again."""
    try:
        payload = json.loads(body)
        json.dumps(payload, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return payload


def as_json(webhook: Webhook, status: int, forwarded: Forwarded | None) -> str:
    """One line of JSON."""
    latency = webhook.latency_ms
    told = {
        "time": webhook.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "type": webhook.type,
        "webhookId": webhook.id,
        "deliveryId": webhook.arrival.headers.get("x-flowtask-delivery"),
        "resourceId": webhook.resource_id,
        "status": status,
        "latencyMs": None if latency is None else round(latency, 1),
        "verified": webhook.verified,
        "repeat": webhook.repeat,
        "forward": None if forwarded is None else _forward(forwarded),
        "payload": webhook.payload,
    }
    return json.dumps(told, separators=(",", ":"))


def as_row(webhook: Webhook, status: int, forwarded: Forwarded | None, paint: Paint) -> str:
    """One aligned line under `HEADING`, and after it what is out of the ordinary."""
    latency = "-" if webhook.latency_ms is None else f"{webhook.latency_ms:.1f} ms"
    row = "  ".join(
        [
            paint(f"{webhook.at.astimezone():%H:%M:%S.%f}"[:-3], "dim"),
            paint(f"{safe(webhook.type or '-'):<18}", "bold"),
            f"{safe(webhook.id or '-'):<36}",
            paint(f"{status:>6}", "green" if status in _GOOD else "red"),
            f"{latency:>10}",
        ]
    )
    return "  ".join([row, *_remarks(webhook, status, forwarded, paint)])


def _remarks(webhook: Webhook, status: int, forwarded: Forwarded | None, paint: Paint) -> list[str]:
    if not webhook.verified:
        return [paint("NOT VERIFIED: a signature does not hold", "bold red")]
    remarks = [paint("repeat", "yellow")] if webhook.repeat else []
    if forwarded is not None and forwarded.error is not None:
        remarks.append(paint(f"{safe(forwarded.url)} {forwarded.error}", "red"))
    elif forwarded is not None:
        remarks.append(paint(f"the app took {forwarded.ms:.1f} ms", "dim" if status in _GOOD else ""))
    return remarks


def _forward(forwarded: Forwarded) -> dict[str, Any]:
    return {
        "url": forwarded.url,
        "status": forwarded.status,
        "ms": round(forwarded.ms, 1),
        "error": forwarded.error,
    }
