import asyncio
import contextlib
import gc

import pytest
from notes.contracts import READER, TOPOLOGY, Note, NoteWritten, ReadNote, written
from notes.database import CommandRecord, FailedMessage
from notes.world import ADMIN_PASSWORD, AUTHORIZATION, PASSWORDS, eventually

from flowtask_contracts.errors import ServiceUnavailable
from flowtask_kit.bootstrap.nats import bootstrap_nats
from flowtask_kit.bus.answers import Answers
from flowtask_kit.bus.consumers import Consumers
from flowtask_kit.ids import new_id
from flowtask_local.nats import EmbeddedNats


async def restarted(server, authorization):
    await asyncio.to_thread(server.stop)
    server.authorization = authorization
    await asyncio.to_thread(server.start)


async def test_a_service_that_starts_before_nats_connects_once_it_is_there(tmp_path, world):
    with EmbeddedNats(tmp_path / "nats", authorization=AUTHORIZATION, durable=False) as server:
        url = server.url("notes", PASSWORDS["notes"])
        server.stop()
        notes = world.resources(nats_url=url)
        heard = []

        async def hear(message):
            heard.append(message.subject)

        await notes.bus.subscribe("wake.notes", hear)
        notes.bus.start()
        await asyncio.sleep(0)
        assert not notes.bus.connected
        assert not await notes.bus.publish_if_connected("wake.notes")

        await asyncio.to_thread(server.start)
        await asyncio.wait_for(notes.bus.ready.wait(), 60)
        assert notes.bus.connected
        other = world.resources(nats_url=url)
        await world.connected(other)
        assert await other.bus.publish_if_connected("wake.notes")
        await eventually(lambda: heard)
        await notes.bus.stop()
        await other.bus.stop()


async def test_a_bus_that_has_lost_its_connection_stops(world):
    notes = world.resources()

    async def hear(_tx, _event):
        pass

    Consumers(notes.bus, notes.database, notes.wake, FailedMessage).on(READER, {NoteWritten: hear})
    Answers(notes.bus, notes.database, notes.wake, CommandRecord, service="notes").to(ReadNote, hear)
    await world.connected(notes)
    await asyncio.to_thread(world.nats.kill)
    try:
        await eventually(lambda: notes.bus.away)
        async with asyncio.timeout(5):
            await notes.bus.stop()
        assert notes.bus.client.is_closed
    finally:
        await asyncio.to_thread(world.nats.start)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # nats-py leaves a refused socket to the gc
async def test_a_login_refused_while_reconnecting_is_tried_again(nats_server_factory, world):
    server = nats_server_factory(AUTHORIZATION)
    notes = await world.connected(world.resources(nats_url=server.url("notes", PASSWORDS["notes"])))
    calls = []
    notes.bus.on_reconnect(lambda: calls.append("back"))

    await restarted(server, AUTHORIZATION.replace(PASSWORDS["notes"], "another"))
    await eventually(lambda: any("authentication error" in line for line in server.log_lines))
    assert notes.bus.away
    await restarted(server, AUTHORIZATION)

    await eventually(lambda: calls)
    assert notes.bus.connected
    assert calls == ["back"]
    gc.collect()


async def test_a_durable_that_is_missing_keeps_neither_commands_nor_later_its_own_messages_from_coming(world):
    jetstream = (await world.client()).jetstream()
    await jetstream.delete_consumer("EVENTS", READER.name)
    notes, desk = world.resources(), world.resources("front-desk")
    heard = []

    async def read(_tx, command):
        return Note(id=command.note_id, text="read")

    async def hear(_tx, event):
        heard.append(event)

    Consumers(notes.bus, notes.database, notes.wake, FailedMessage).on(READER, {NoteWritten: hear})
    Answers(notes.bus, notes.database, notes.wake, CommandRecord, service="notes").to(ReadNote, read)
    command = ReadNote(workspace_id=new_id(), note_id=new_id())
    notes.bus.start()
    await world.connected(desk)

    async def answered():
        with contextlib.suppress(ServiceUnavailable):
            return await desk.commands.ask(command, Note)

    try:
        await eventually(answered)
        refused = "CONSUMER.CREATE.EVENTS.note-reader"
        await eventually(lambda: sum(refused in line for line in world.nats.log_lines) >= 2)
        assert not notes.bus.ready.is_set()
        assert [await desk.commands.ask(command, Note) for _ in range(100)]
    finally:
        await bootstrap_nats(world.nats.url("admin", ADMIN_PASSWORD), TOPOLOGY, replicas=1)

    await asyncio.wait_for(notes.bus.ready.wait(), 60)
    assert await desk.commands.ask(command, Note)
    await jetstream.publish("events.note.written", written().cloud_event(new_id(), "test").to_json())
    await eventually(lambda: heard)
