"""Publishing rows to JetStream: an atomic batch where it pays, else one after another."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

import nats.js.errors
import orjson
from nats.aio.client import Client

from flowtask_kit.ids import new_id

ATOMIC_FROM = 16
"""Below this many rows an atomic batch costs more than single publishes."""


@dataclass(frozen=True, slots=True)
class Row:
    """An outbox row on its way out."""

    seq: int
    event_id: UUID
    subject: str
    headers: dict[str, str]
    payload: bytes
    created_at: datetime


async def publish(client: Client, rows: Sequence[Row], acknowledged: list[int]) -> None:
    """Publish in order, adding each acknowledged `seq` to the list; stops at the first failure by raising it.

    A batch that the server refuses as a whole (one of its ids is known already, after a crash) is sent one by one,
    where a known id is acknowledged as a duplicate.
    """
    for part in _by_stream(rows):
        if len(part) >= ATOMIC_FROM:
            try:
                await _atomic(client, part)
            except nats.js.errors.APIError:
                await _singly(client, part, acknowledged)
            else:
                acknowledged.extend(row.seq for row in part)
        else:
            await _singly(client, part, acknowledged)


def _by_stream(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Runs of rows of one stream: an atomic batch cannot span two."""
    for _, part in groupby(rows, key=lambda row: row.subject.partition(".")[0]):
        yield list(part)


async def _singly(client: Client, rows: Sequence[Row], acknowledged: list[int]) -> None:
    for row in rows:
        message = await client.request(row.subject, row.payload, headers=_headers(row), timeout=5)
        _check(message.data)
        acknowledged.append(row.seq)


async def _atomic(client: Client, rows: Sequence[Row]) -> None:
    batch = new_id().hex
    for number, row in enumerate(rows[:-1], start=1):
        headers = {**_headers(row), "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
        await client.publish(row.subject, row.payload, headers=headers)
        if number % 100 == 0:
            await asyncio.sleep(0)
    last = rows[-1]
    headers = {
        **_headers(last),
        "Nats-Batch-Id": batch,
        "Nats-Batch-Sequence": str(len(rows)),
        "Nats-Batch-Commit": "1",
    }
    _check((await client.request(last.subject, last.payload, headers=headers, timeout=5)).data)


def _headers(row: Row) -> dict[str, str]:
    return {**row.headers, "Nats-Msg-Id": str(row.event_id), "content-type": "application/cloudevents+json"}


def _check(answer: bytes) -> None:
    """Raise the server's refusal; anything without one is an acknowledgement."""
    body = orjson.loads(answer)
    if "error" in body:
        raise nats.js.errors.APIError.from_error(body["error"])
