"""JetStream's message schedules, as alarms: one per job, set to its next slot."""

from datetime import datetime

import nats.errors
import orjson

from flowtask_kit import logs
from flowtask_kit.bus.connection import Bus

log = logs.get(__name__)

PUBLISH_SECONDS = 2.0


class Alarms:
    """Has the server put a message on `jobs.<service>.<job>` when a slot begins.

    `@at` rather than `@every` or a cron line: slots are then named by one calculation alone, a job that is gone rings no
    more, a restart sets nothing back, and however long nobody listened one message waits.
    """

    def __init__(self, bus: Bus, service: str) -> None:
        self._bus = bus
        self._service = service
        self._set: dict[str, datetime] = {}

    async def set(self, job: str, slot: datetime) -> None:
        """Replace the job's alarm; in vain while NATS is away."""
        client = self._bus.client
        if client is None or not client.is_connected or self._set.get(job) == slot:
            return
        at = slot.isoformat().replace("+00:00", "Z")
        headers = {"Nats-Schedule": f"@at {at}", "Nats-Schedule-Target": f"jobs.{self._service}.{job}"}
        subject = f"schedules.{self._service}.{job}"
        try:
            answer = await client.request(subject, at.encode(), headers=headers, timeout=PUBLISH_SECONDS)
        except (nats.errors.Error, OSError) as error:
            log.info("alarm not set; the slot will be found by looking", job=job, error=repr(error))
            return
        body = orjson.loads(answer.data)
        if "error" in body:
            log.error("alarm refused; the slot will be found by looking", job=job, refusal=body["error"])
            return
        self._set[job] = slot

    def forget(self) -> None:
        """Set all of them anew next time: a server that was away may have lost them."""
        self._set.clear()


def slot_of(body: bytes, otherwise: datetime) -> datetime:
    """The slot that an alarm was set to."""
    try:
        slot = datetime.fromisoformat(body.decode())
    except ValueError:
        return otherwise
    return slot if slot.tzinfo is not None else otherwise
