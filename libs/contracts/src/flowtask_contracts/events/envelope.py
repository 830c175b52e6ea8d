"""The envelope of every event: CloudEvents 1.0 in structured JSON (https://cloudevents.io)."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue
from pydantic_core import to_json

from flowtask_contracts.base import Contract, Instant, rfc3339


class Change(Contract):
    """One field before and after a write."""

    from_: JsonValue = Field(alias="from")
    to: JsonValue


class Event(Contract):
    """What has happened to one aggregate; it may not be refused.

    `data` is the REST representation after the change (before it, for a deletion). `version` is the aggregate's
    own counter, so that a projection can drop what is not newer. `actor` names who did it, as `user:<id>` or
    `system`. An event that `tells_changes` has some, and no other has any.
    """

    type: ClassVar[str]
    public: ClassVar[bool] = True
    tells_changes: ClassVar[bool] = False
    dataversion: ClassVar[int] = 1

    workspace_id: UUID
    subject: UUID
    time: Instant
    actor: str
    version: int
    data: Any
    changes: dict[str, Change] | None = None

    @classmethod
    def bus_subject(cls) -> str:
        """The NATS subject: `events.<type>` for public events, `internal.<type>` for the others."""
        return f"{'events' if cls.public else 'internal'}.{cls.type}"

    def cloud_event(self, event_id: UUID, source: str) -> "CloudEvent":
        """This event as it travels, under its id; its parts were checked when it was made."""
        return CloudEvent.model_construct(
            id=event_id,
            source=source,
            type=self.type,
            subject=str(self.subject),
            time=self.time,
            workspaceid=self.workspace_id,
            actor=self.actor,
            aggregateversion=self.version,
            dataversion=self.dataversion,
            data=self.data.model_dump(mode="json", by_alias=True),
            changes=self.changes,
        )

    def to_json(self, event_id: UUID, source: str) -> bytes:
        """The bytes of `cloud_event`, written in one pass."""
        document = {
            "specversion": "1.0",
            "id": str(event_id),
            "source": source,
            "type": self.type,
            "subject": str(self.subject),
            "time": rfc3339(self.time),
            "datacontenttype": "application/json",
            "workspaceid": str(self.workspace_id),
            "actor": self.actor,
            "aggregateversion": self.version,
            "dataversion": self.dataversion,
            "data": self.data,
        }
        if self.changes is not None:
            document["changes"] = self.changes
        return to_json(document, by_alias=True)


class CloudEvent(Contract):
    """The JSON on the bus. `changes` stands beside `data`, an extension that only FlowTask's consumers read."""

    model_config = ConfigDict(alias_generator=None)

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: str
    type: str
    subject: str
    time: Instant
    datacontenttype: Literal["application/json"] = "application/json"
    workspaceid: UUID
    actor: str
    aggregateversion: int
    dataversion: int
    data: dict[str, JsonValue]
    changes: dict[str, Change] | None = None

    def to_json(self) -> bytes:
        """The bytes that are stored in the outbox and published; absent `changes` are left out."""
        return self.model_dump_json(by_alias=True, exclude={"changes"} if self.changes is None else None).encode()


def changes_between(before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]) -> dict[str, Change]:
    """The fields whose wire values differ, with both values; times of the write itself do not count."""
    return {
        name: Change(from_=before.get(name), to=after.get(name))
        for name in {**before, **after}
        if name != "updatedAt" and before.get(name) != after.get(name)
    }
