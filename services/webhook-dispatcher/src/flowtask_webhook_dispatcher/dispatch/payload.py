"""From an event on the bus to the body of a webhook: always the same bytes for the same event and endpoint."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson


@dataclass(frozen=True, slots=True)
class PublicEvent:
    """What the dispatcher reads of an event; it forwards types it does not know, and keeps the original bytes."""

    id: UUID
    workspace_id: UUID
    type: str
    resource_id: str
    document: dict[str, Any]
    raw: bytes

    @classmethod
    def parse(cls, raw: bytes) -> "PublicEvent":
        """The event of a CloudEvent in JSON; ValueError or KeyError for what is not one."""
        document = orjson.loads(raw)
        return cls(
            id=UUID(document["id"]),
            workspace_id=UUID(document["workspaceid"]),
            type=document["type"],
            resource_id=document.get("subject", ""),
            document=document,
            raw=raw,
        )

    @property
    def time(self) -> datetime | None:
        """When it happened, if the event says so in RFC 3339 with an offset."""
        try:
            time = datetime.fromisoformat(self.document["time"])
        except (KeyError, TypeError, ValueError):
            return None
        return time if time.tzinfo else None

    def body(self, delivery_id: UUID) -> bytes:
        """The bytes that are signed and sent."""
        return orjson.dumps(self.document_for(delivery_id))

    def document_for(self, delivery_id: UUID) -> dict[str, Any]:
        """The webhook's body: `event, data, [changes,] timestamp, id, workspaceId, deliveryId`."""
        document = self.document
        body: dict[str, Any] = {"event": self.type, "data": document.get("data")}
        if "changes" in document:
            body["changes"] = document["changes"]
        body["timestamp"] = document.get("time")
        body["id"] = str(self.id)
        body["workspaceId"] = str(self.workspace_id)
        body["deliveryId"] = str(delivery_id)
        return body
