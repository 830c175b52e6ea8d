"""Which webhooks the demo waits for, and which of them have arrived."""

import json
from dataclasses import dataclass, field
from typing import Any

from ..receiver import Arrival
from ..signatures import flowtask_holds, standard_holds


@dataclass
class Expected:
    """One webhook that must come: the event, the id of its resource, and for an update the field that changed."""

    event: str
    resource_id: str
    answered_at: float
    changed: str | None = None
    arrived: "Arrived | None" = None

    @property
    def latency(self) -> float | None:
        """Seconds from the HTTP answer to the webhook; negative when the webhook was first. None until it arrives."""
        return None if self.arrived is None else self.arrived.at - self.answered_at


@dataclass(frozen=True)
class Arrived:
    """A webhook that came, and which of its signatures hold."""

    at: float
    event: str
    webhook_id: str
    delivery_id: str
    standard: bool
    flowtask: bool

    @property
    def verified(self) -> bool:
        """True when both signatures hold."""
        return self.standard and self.flowtask


@dataclass
class Ledger:
    """What is expected, and what has come for it. A repeat of a webhook counts once."""

    secret: str
    expected: list[Expected] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    @property
    def complete(self) -> bool:
        """True when everything expected so far has arrived."""
        return all(one.arrived is not None for one in self.expected)

    @property
    def missing(self) -> list[str]:
        """What has not arrived, or arrived with a signature that does not hold, in words."""
        absent = [f"{one.event} did not arrive" for one in self.expected if one.arrived is None]
        false = [
            f"{one.event} arrived with a signature that does not hold"
            for one in self.expected
            if one.arrived is not None and not one.arrived.verified
        ]
        return absent + false

    def take(self, arrival: Arrival) -> Expected | None:
        """Note a webhook; the expected one that it is, None for a repeat and for what others in the workspace did."""
        told = _document(arrival.body)
        webhook_id = arrival.headers.get("webhook-id", "")
        wanted = next((one for one in self.expected if one.arrived is None and _is(one, told)), None)
        if wanted is None or webhook_id in self._seen:
            return None
        self._seen.add(webhook_id)
        wanted.arrived = Arrived(
            at=arrival.at,
            event=wanted.event,
            webhook_id=webhook_id,
            delivery_id=arrival.headers.get("x-flowtask-delivery", ""),
            standard=standard_holds(self.secret, arrival.headers, arrival.body),
            flowtask=flowtask_holds(self.secret, arrival.headers, arrival.body),
        )
        return wanted


def _is(one: Expected, told: dict[str, Any]) -> bool:
    data, changes = told.get("data"), told.get("changes")
    if told.get("event") != one.event or not isinstance(data, dict) or data.get("id") != one.resource_id:
        return False
    return one.changed is None or (isinstance(changes, dict) and one.changed in changes)


def _document(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
