"""Parcels made by hand, and a journal over a real database."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from flowtask_kit.ids import new_id, utc_now
from flowtask_webhook_dispatcher.deliveries.identity import delivery_id
from flowtask_webhook_dispatcher.deliveries.models import Accepted, Failed, Gone
from flowtask_webhook_dispatcher.dispatch.journal import Journal
from flowtask_webhook_dispatcher.dispatch.payload import PublicEvent
from flowtask_webhook_dispatcher.dispatch.work import Arrival, Attempted, Parcel, Result
from flowtask_webhook_dispatcher.endpoints.directory import Directory, Receiver
from flowtask_webhook_dispatcher.keyring import KeyRing, new_secret

RING = KeyRing.parse("test:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=")
ANSWERS = {Accepted(): 200, Failed(): 500, Gone(): 404}


@pytest.fixture
def make_receiver(workspace):
    def make(endpoint_id=None, **more) -> Receiver:
        named = {"url": "", "target": None, "events": ("*",), "active": True, "backlog": False, "key": None, **more}
        return Receiver(id=endpoint_id or new_id(), workspace_id=workspace, **named)

    return make


@pytest.fixture
def make_parcel(make_receiver, cloud_event):
    """A parcel as the intake makes it, with the message it came in; the same event for several receivers if it is given."""

    def make(receiver=None, *, event=None, stream_seq=1, arrival=True, **more) -> Parcel:
        receiver = receiver or make_receiver()
        event = event or PublicEvent.parse(cloud_event())
        parcel = Parcel(
            event=event,
            receiver=receiver,
            delivery_id=delivery_id(event.id, receiver.id),
            stream_seq=stream_seq,
            **more,
        )
        if arrival:
            parcel.arrival = Arrival("", stream_seq, event, 0.0, None, [parcel], open=1)
        return parcel

    return make


@pytest.fixture
def attempted():
    """What an attempt at a parcel came to."""

    def make(parcel, outcome=Accepted(), **more) -> Attempted:  # noqa: B008 - it is frozen
        named = {"at": utc_now(), "duration_ms": 5, "status_code": ANSWERS[outcome], **more}
        return Attempted(parcel, Result(outcome, **named), parcel.take_arrival())

    return make


@pytest.fixture
def heard() -> list[datetime]:
    """The times that the journal told of."""
    return []


@pytest.fixture
def write(pool, heard):
    """Put entries on record, one transaction a call."""
    journal = Journal(lease=timedelta(seconds=25), due=heard.append)

    async def put(*entries):
        await journal.write(pool, entries)

    return put


@pytest.fixture
def make_endpoint(pool, workspace):
    """An endpoint in the database, as the service writes it."""

    async def make(*, managed=False, active=True, deleted=False, url="http://127.0.0.1:1/"):
        endpoint = new_id()
        async with pool.acquire() as connection, connection.transaction():
            revision = await connection.fetchval(
                "UPDATE webhooks.endpoint_revision SET revision = revision + 1 RETURNING revision"
            )
            await connection.execute(
                "INSERT INTO webhooks.endpoints (id, workspace_id, url, events, active, secret, created_by, created_at,"
                " updated_at, deleted_at, revision) VALUES ($1, $2, $3, '[\"*\"]', $4, $5, $6, now(), now(), $7, $8)",
                endpoint,
                workspace,
                url,
                active,
                RING.encrypt(endpoint, new_secret()),
                uuid4(),
                datetime.now(UTC) if deleted else None,
                revision,
            )
            await connection.execute(
                "INSERT INTO webhooks.endpoint_state (endpoint_id, managed) VALUES ($1, $2)", endpoint, managed
            )
        return endpoint

    return make


@dataclass
class Level:
    """How far a stream is on record, as the test says; `last` is its end."""

    known: int | None = 0
    last: int | None = 1 << 40
    doubted: bool = False
    wanted: list[int] = field(default_factory=list)

    def want(self, seq):
        self.wanted.append(seq)

    async def end(self):
        return self.last


@pytest.fixture
def level() -> Level:
    return Level()


@pytest.fixture
def directory() -> Directory:
    return Directory(RING, allow_http=True)
