import asyncio
import time
from datetime import timedelta

import pytest
from notes.contracts import LostNote, Note, ReadNote, WriteNote
from notes.database import CommandRecord
from notes.world import eventually
from structlog.testing import capture_logs

from flowtask_contracts.errors import ServiceUnavailable
from flowtask_kit.bus.answers import Answers, request_hash
from flowtask_kit.bus.commands import command_id
from flowtask_kit.ids import new_id, utc_now

LOST = LostNote(workspace_id=new_id())


async def unavailable(desk, command=LOST):
    """Seconds until the refusal came."""
    begun = time.monotonic()
    with pytest.raises(ServiceUnavailable) as refused:
        await desk.commands.ask(command, Note)
    assert refused.value.retry_after
    return time.monotonic() - begun


async def test_a_service_that_nobody_runs_is_told_at_once(world):
    desk = await world.connected(world.resources("front-desk"))
    assert await unavailable(desk) < 1


async def test_before_the_first_connection_the_refusal_is_immediate(world):
    assert await unavailable(world.resources("front-desk", nats_url="nats://127.0.0.1:1")) < 1


async def test_while_nats_is_away_the_refusal_is_immediate_and_afterwards_answers_come_again(world):
    desk, notes = world.resources("front-desk"), world.resources()
    answers = Answers(notes.bus, notes.database, notes.wake, CommandRecord, service="notes")

    async def read(_tx, command):
        return Note(id=command.note_id, text="read")

    answers.to(ReadNote, read)
    await world.connected(desk, notes)
    command = ReadNote(workspace_id=new_id(), note_id=new_id())
    assert (await desk.commands.ask(command, Note)).text == "read"

    await asyncio.to_thread(world.nats.kill)
    try:
        await eventually(lambda: desk.bus.away and notes.bus.away)
        assert await unavailable(desk, command) < 1
    finally:
        await asyncio.to_thread(world.nats.start)

    await eventually(lambda: desk.bus.connected and notes.bus.connected)
    assert (await desk.commands.ask(command, Note)).text == "read"


async def test_when_postgresql_is_away_the_answering_service_says_so(mortal_world):
    desk, notes = mortal_world.resources("front-desk"), mortal_world.resources()
    answers = Answers(notes.bus, notes.database, notes.wake, CommandRecord, service="notes")

    async def read(tx, command):
        await tx.connection()
        return Note(id=command.note_id, text="read")

    answers.to(ReadNote, read)
    await mortal_world.connected(desk, notes)
    await asyncio.to_thread(mortal_world.postgres.kill)
    try:
        assert await unavailable(desk, ReadNote(workspace_id=new_id(), note_id=new_id())) < 4
    finally:
        await asyncio.to_thread(mortal_world.postgres.start)


def test_a_command_id_is_the_same_for_one_use_of_a_key_in_its_workspace():
    mine, yours, taken, later = new_id(), new_id(), utc_now(), utc_now() + timedelta(days=1)
    assert command_id(mine, "key", taken) == command_id(mine, "key", taken)
    ids = {
        command_id(mine, "key", taken),
        command_id(mine, "other", taken),
        command_id(yours, "key", taken),
        command_id(mine, "", taken),
        command_id(mine, "key", later),
        command_id(mine, "key", taken + timedelta(microseconds=1)),
    }
    assert len(ids) == 6
    assert {each.version for each in ids} == {8}


@pytest.mark.parametrize("body", [b'{"data": {"id": 7, "text": "read"}}', b'{"data": null}', b'{"data": ', b"[]"])
async def test_a_reply_that_cannot_be_read_is_a_503_and_a_line_in_the_log(world, body):
    desk = await world.connected(world.resources("front-desk"))
    owner = await world.client("notes")

    async def answer(message):
        await message.respond(body)

    await owner.subscribe(ReadNote.bus_subject(), cb=answer)
    await owner.flush()  # its ping overtakes what is still buffered
    await owner.flush()
    with capture_logs() as logged:
        assert await unavailable(desk, ReadNote(workspace_id=new_id(), note_id=new_id())) < 2
    assert [(each["event"], each["command"]) for each in logged] == [("reply not understood", ReadNote.bus_subject())]


def test_a_new_optional_field_makes_no_other_request_of_a_repeat():
    class GrownNote(WriteNote):
        colour: str = "red"

    sent = {"workspaceId": str(new_id()), "commandId": str(new_id()), "text": "a"}
    before = request_hash(WriteNote.model_validate(sent))
    assert request_hash(GrownNote.model_validate(sent)) == before
    assert request_hash(GrownNote.model_validate({**sent, "colour": "blue"})) != before
    assert request_hash(WriteNote.model_validate({**sent, "text": "b"})) != before
