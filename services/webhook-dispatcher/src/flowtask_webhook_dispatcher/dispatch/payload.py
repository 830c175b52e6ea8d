"""From an event on the bus to the body of a webhook: always the same bytes for the same event and endpoint."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from flowtask_contracts.webhook_content import LARGEST_BODY

from ..deliveries.identity import driver_uuid

_LONGEST = 1000
_MOST = LARGEST_BODY - len(b',"deliveryId":""}') - 36
"""Bytes of a body without its end."""


class NotAnEvent(ValueError):
    """What came from the stream cannot be delivered; the message says why."""


@dataclass(slots=True, eq=False)
class PublicEvent:
    """What the dispatcher reads of an event; it forwards types it does not know, and keeps the original bytes.

    `time` is when it happened, if the event says so in RFC 3339 with an offset.
    """

    id: UUID
    workspace_id: UUID
    type: str
    resource_id: str
    time: datetime | None
    raw: bytes
    _document: dict[str, Any] | None
    """Until the body is made of it: an event is in hand for long, and its parts are many."""
    _common: bytes = b""
    _thin: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> "PublicEvent":
        """The event of a CloudEvent in JSON; NotAnEvent for what cannot be stored, signed and sent as one."""
        try:
            document = orjson.loads(raw)
        except ValueError as error:
            raise NotAnEvent(f"it is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise NotAnEvent("it is not a JSON object")
        return cls(
            id=_uuid(document, "id"),
            workspace_id=_uuid(document, "workspaceid"),
            type=_text(document, "type"),
            resource_id=_text(document, "subject") if "subject" in document else "",
            time=_time(document),
            raw=raw,
            _document=document,
        )

    @property
    def document(self) -> dict[str, Any]:
        """The whole event, as filters look at it."""
        document: dict[str, Any] = self._document or orjson.loads(self.raw)
        return document

    def body(self, delivery_id: UUID, *, thin: bool = False) -> bytes:
        """The bytes that are signed and sent: `event, data, [changes,] timestamp, id, workspaceId, [payload,] deliveryId`.

        Only the end differs from endpoint to endpoint. A thin one has nothing in `data` but the resource's id, no `changes`,
        and says so in `payload`; so is every one that would be larger than 256 KiB.
        """
        common = self._thin_common() if thin else self._full_common()
        return b'%b,"deliveryId":"%b"}' % (common, str(delivery_id).encode())

    def content(self) -> dict[str, Any]:
        """What a receiver of all of it reads, without the `deliveryId`, which each endpoint has its own of."""
        content: dict[str, Any] = orjson.loads(self._full_common() + b"}")
        return content

    def _full_common(self) -> bytes:
        document = self._document
        if document is not None:
            self._common, self._document = orjson.dumps(self._body(document))[:-1], None
            if len(self._common) > _MOST:
                self._common = self._thin_body(document, "too_large")
        return self._common

    def _thin_common(self) -> bytes:
        if not self._thin:
            self._thin = self._thin_body(self.document, "thin")
        return self._thin

    def _thin_body(self, document: dict[str, Any], payload: str) -> bytes:
        time = document.get("time")
        body = {
            "event": self.type,
            "data": {"id": self.resource_id},
            "timestamp": time if isinstance(time, str) and len(time) <= _LONGEST else None,
            "id": str(self.id),
            "workspaceId": str(self.workspace_id),
            "payload": payload,
        }
        return orjson.dumps(body)[:-1]

    def _body(self, document: dict[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {"event": self.type, "data": document.get("data")}
        if "changes" in document:
            body["changes"] = document["changes"]
        body["timestamp"] = document.get("time")
        body["id"] = str(self.id)
        body["workspaceId"] = str(self.workspace_id)
        return body


def _uuid(document: dict[str, Any], name: str) -> UUID:
    try:
        return driver_uuid(document[name])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise NotAnEvent(f"its `{name}` is not a UUID") from None


def _text(document: dict[str, Any], name: str) -> str:
    """A field that goes into a column or a header: printable, so without line breaks and NUL."""
    value = document.get(name)
    if not isinstance(value, str) or not value or len(value) > _LONGEST or not value.isprintable():
        raise NotAnEvent(f"its `{name}` is not a printable string")
    return value


def _time(document: dict[str, Any]) -> datetime | None:
    try:
        time = datetime.fromisoformat(document["time"])
    except (KeyError, TypeError, ValueError):
        return None
    return time if time.tzinfo else None
