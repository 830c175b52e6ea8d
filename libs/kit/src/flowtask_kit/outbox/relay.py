"""The outbox relay: publishes committed rows to JetStream in order and deletes them once they are acknowledged.

One replica at a time holds the advisory lock of its schema. Rows are deleted in the transaction that commits only
after JetStream has acknowledged them, so a crash in between publishes them again under the same `Nats-Msg-Id`.
"""

import asyncio
import zlib
from contextlib import suppress
from typing import Any

import asyncpg
import orjson

from flowtask_kit import logs, metrics
from flowtask_kit.bus.connection import Bus
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.database.engine import SERVER_SETTINGS
from flowtask_kit.ids import utc_now
from flowtask_kit.outages import is_outage
from flowtask_kit.outbox.publish import Row, publish
from flowtask_kit.outbox.wake import Wake

log = logs.get(__name__)

BATCH = 500
BATCH_BYTES = 8 * 1024 * 1024
"""A batch ends with the row that reaches this, so that a few large events cannot outlast the publish deadline."""
POLL_SECONDS = 1.0
PUBLISH_SECONDS = 5.0
"""Below `idle_in_transaction_session_timeout`, so that the server never ends a round that may still succeed."""


class Partial(Exception):
    """Publishing stopped; only some rows were acknowledged."""

    def __init__(self, acknowledged: list[int], cause: BaseException) -> None:
        super().__init__(repr(cause))
        self.acknowledged = acknowledged
        self.cause = cause


class Relay:
    """Empties one schema's outbox for as long as it runs."""

    def __init__(self, dsn: str, schema: str, bus: Bus, wake: Wake) -> None:
        self._dsn = dsn
        self._bus = bus
        self._wake = wake
        self._lock = zlib.crc32(f"flowtask.outbox.{schema}".encode())
        self._take = f"""
            WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($1) AS mine),
            sized AS (
                SELECT seq, sum(octet_length(payload)) OVER (ORDER BY seq) - octet_length(payload) AS before
                FROM (SELECT seq, payload FROM {schema}.outbox ORDER BY seq LIMIT {BATCH}) AS oldest
            )
            DELETE FROM {schema}.outbox USING turn
            WHERE turn.mine AND seq IN (SELECT seq FROM sized WHERE before < {BATCH_BYTES})
            RETURNING seq, event_id, subject, headers, payload, created_at
        """  # noqa: S608 - the schema is a constant of the service
        self._delete = f"DELETE FROM {schema}.outbox WHERE seq = ANY($1)"  # noqa: S608

    async def run(self) -> None:
        """Publish for ever; a database or broker that is away is waited for."""
        await self._bus.ready.wait()
        await self._wake.listen()
        while True:
            try:
                await self._serve()
            except Exception as error:
                if not is_outage(error):
                    raise
                metrics.OUTBOX_FAILURES.labels("database").inc()
                log.warning("outbox waits for the database", error=repr(error))
                await asyncio.sleep(POLL_SECONDS)

    async def _serve(self) -> None:
        connection = await asyncpg.connect(
            self._dsn, timeout=5, server_settings={**SERVER_SETTINGS, "application_name": "flowtask-relay"}
        )
        try:
            while True:
                self._wake.flag.clear()
                if not await self._round(connection):
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_SECONDS):
                            await self._wake.flag.wait()
        finally:
            connection.terminate()

    async def _round(self, connection: "asyncpg.Connection[Any]") -> bool:
        """Publish one batch; True when it was a full one, so that there may be more.

        After a refusal it pauses: the row that was refused is not tried again at every commit.
        """
        if not self._bus.connected:
            metrics.OUTBOX_FAILURES.labels("bus").inc()
            return False
        try:
            async with connection.transaction():
                rows = await self._rows(connection)
                if not rows:
                    metrics.OUTBOX_OLDEST.set(0)
                    return False
                await self._publish(rows)
                crashpoint("relay.after-publish")
        except Partial as partial:
            if partial.acknowledged:
                await connection.execute(self._delete, partial.acknowledged)
            metrics.OUTBOX_FAILURES.labels("publish").inc()
            log.warning("outbox not published", published=len(partial.acknowledged), error=repr(partial.cause))
            await asyncio.sleep(POLL_SECONDS)
            return True
        now = utc_now()
        for row in rows:
            metrics.OUTBOX_LAG.observe(max(0.0, (now - row.created_at).total_seconds()))
        metrics.OUTBOX_PUBLISHED.inc(len(rows))
        return len(rows) == BATCH or sum(len(row.payload) for row in rows) >= BATCH_BYTES

    async def _rows(self, connection: "asyncpg.Connection[Any]") -> list[Row]:
        records = await connection.fetch(self._take, self._lock)
        rows = [
            Row(
                seq=record["seq"],
                event_id=record["event_id"],
                subject=record["subject"],
                headers=orjson.loads(record["headers"]),
                payload=record["payload"],
                created_at=record["created_at"],
            )
            for record in records
        ]
        rows.sort(key=lambda row: row.seq)
        return rows

    async def _publish(self, rows: list[Row]) -> None:
        client = self._bus.client
        assert client is not None
        acknowledged: list[int] = []
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await publish(client, rows, acknowledged)
        except Exception as error:
            metrics.OUTBOX_OLDEST.set((utc_now() - rows[0].created_at).total_seconds())
            raise Partial(acknowledged, error) from error
