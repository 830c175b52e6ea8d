"""Commands and their answers: one suite over FastStream's broker in memory and over a live NATS."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from faststream.nats import TestNatsBroker
from notes.contracts import Note, PatientNote, ReadNote, SealNote, SlowNote, WriteNote, WrittenNote
from notes.database import CommandRecord, NoteRow
from notes.world import eventually
from structlog.testing import capture_logs

from flowtask_contracts.errors import (
    Conflict,
    ErrorDetail,
    FlowTaskError,
    NotFound,
    ServiceUnavailable,
    ValidationFailed,
)
from flowtask_kit import logs
from flowtask_kit.bus.answers import CONCURRENCY, MAX_REPLY_BYTES, Answers
from flowtask_kit.bus.commands import Commands
from flowtask_kit.bus.errors import is_undecided
from flowtask_kit.ids import new_id

WORKSPACE = new_id()
HOLD = SimpleNamespace(held=[], end=asyncio.Event())
"""Notes that say `hold`, which are written when it ends."""


class NoteMissing(NotFound):
    message = "Note not found"


async def write_note(tx, command):
    note = NoteRow(id=new_id(), text=command.text)
    tx.add(note)
    await tx.flush()
    if command.text == "refuse":
        raise Conflict("There is such a note", details=[ErrorDetail(field="text", message="taken")])
    if command.text == "fail":
        raise RuntimeError("the password is hunter2")
    if command.text == "hold":
        HOLD.held.append(note.id)
        await asyncio.wait_for(HOLD.end.wait(), 20)
    return WrittenNote(id=note.id, text=note.text, edit_key="hunter2")


async def read_note(tx, command):
    note = await tx.get(NoteRow, command.note_id)
    if note is None:
        raise NoteMissing
    return Note(id=note.id, text=note.text)


async def seal_note(tx, command):
    note = await tx.get(NoteRow, command.note_id, with_for_update=True)
    note.text += " (sealed)"
    return Note(id=note.id, text=note.text)


async def slow_note(_tx, command):
    await asyncio.sleep(command.seconds)
    return Note(id=new_id(), text="slow")


def answering(notes):
    """The notes service's answers on its bus."""
    answers = Answers(notes.bus, notes.database, notes.wake, CommandRecord, service="notes")
    for command, function in (
        (WriteNote, write_note),
        (ReadNote, read_note),
        (SealNote, seal_note),
        (SlowNote, slow_note),
        (PatientNote, slow_note),
    ):
        answers.to(command, function)


@pytest.fixture
def hold():
    """Holds notes up until the test ends it."""
    HOLD.held, HOLD.end = [], asyncio.Event()
    yield HOLD
    HOLD.end.set()


@pytest.fixture(params=["in memory", "live"])
async def desk(request, world):
    """Something that asks the notes service: `ask` to send commands and `world` to look behind the scenes."""
    notes = world.resources()
    answering(notes)
    if request.param == "in memory":
        async with TestNatsBroker(notes.bus.broker):
            commands = Commands(notes.bus)
            yield SimpleNamespace(ask=commands.ask, change=commands.change, world=world)
    else:
        desk = world.resources("front-desk")
        await world.connected(desk, notes)
        yield SimpleNamespace(ask=desk.commands.ask, change=desk.commands.change, world=world)


def write(content="hello", **fields):
    return WriteNote(**{"workspace_id": WORKSPACE, "command_id": new_id(), "text": content, **fields})


async def test_an_answer_comes_back(desk):
    note = await desk.ask(write(), WrittenNote)
    assert (note.text, note.edit_key, note.secret_shown) == ("hello", "hunter2", False)
    assert await desk.ask(ReadNote(workspace_id=WORKSPACE, note_id=note.id), Note) == Note(id=note.id, text="hello")


async def test_nobody_can_have_an_answer_said_where_only_the_answering_service_may_speak(world):
    notes, desk = world.resources(), world.resources("front-desk")
    answering(notes)
    await world.connected(desk, notes)
    overheard = []

    async def overhear(message):
        overheard.append(message.subject)

    await desk.bus.subscribe("events.note.forged", overhear)
    forged = write("forged").model_dump_json(by_alias=True).encode()
    await desk.bus.client.publish(WriteNote.bus_subject(), forged, reply="events.note.forged")
    for _ in range(3):
        await desk.commands.ask(write("asked"), WrittenNote)
    assert overheard == []
    assert world.sql("SELECT DISTINCT text FROM notes.notes").split() == ["asked"]


async def test_what_has_to_be_found_out_is_found_out_before_the_transaction_and_a_repeat_gets_the_first_answer(world):
    asked, open_transactions = [], []

    async def find_out(command):
        asked.append(command.text)
        open_transactions.append(notes.database.engine.pool.checkedout())
        return f"{command.text}, asked {len(asked)} times"

    async def write_found(tx, _command, found):
        if "refuse" in found:
            raise Conflict(found)
        note = NoteRow(id=new_id(), text=found)
        tx.add(note)
        open_transactions.append(notes.database.engine.pool.checkedout())
        return WrittenNote(id=note.id, text=found, edit_key="hunter2")

    notes, desk = world.resources(), world.resources("front-desk")
    Answers(notes.bus, notes.database, notes.wake, CommandRecord, service="notes").to_prepared(
        WriteNote, find_out, write_found
    )
    await world.connected(desk, notes)
    command = write("tell me")
    first = await desk.commands.ask(command, WrittenNote)
    again = await desk.commands.ask(command, WrittenNote)
    assert (first.text, again.id, again.text) == ("tell me, asked 1 times", first.id, first.text)
    assert open_transactions == [0, 1, 0]
    with pytest.raises(Conflict, match="refuse, asked 3 times"):
        await desk.commands.ask(write("refuse"), WrittenNote)


@pytest.fixture
async def outside(world):
    """A service that does something outside: `done` is what it did, each time with its connections in use; `go` lets it end.

    It raises what is `unable`, once.
    """
    notes, desk = world.resources(), world.resources("front-desk")
    done, unable, go = [], [], asyncio.Event()

    async def find_out(command):
        return command.text.upper()

    async def begin(_tx, _command, found):
        if "REFUSE" in found:
            raise Conflict(found)
        return found

    async def perform(command, found):
        done.append((found, notes.database.engine.pool.checkedout()))
        if unable:
            raise unable.pop()
        await go.wait()
        return WrittenNote(id=command.command_id, text=found, edit_key="hunter2")

    Answers(notes.bus, notes.database, notes.wake, CommandRecord, service="notes").to_outside(
        WriteNote, find_out, begin, perform
    )
    await world.connected(desk, notes)
    yield SimpleNamespace(
        change=desk.commands.change, ask=desk.commands.ask, done=done, unable=unable, go=go, world=world
    )
    go.set()


async def test_what_is_done_outside_is_done_once_with_no_transaction_open(outside):
    command = write("knock")
    first = asyncio.create_task(outside.change(command, WrittenNote))
    await eventually(lambda: outside.done)
    with pytest.raises(Conflict, match="is under way") as refused:
        await outside.ask(command, WrittenNote)
    assert (refused.value.retry_after, is_undecided(refused.value)) == (1, True)
    outside.go.set()
    answer = await first
    assert (answer.data.text, answer.data.edit_key, answer.replayed) == ("KNOCK", "hunter2", False)
    again = await outside.change(command, WrittenNote)
    assert again.replayed
    assert again.data == answer.data.model_copy(update={"edit_key": None, "secret_shown": True})
    with pytest.raises(Conflict, match="was used for another request") as refused:
        await outside.ask(command.model_copy(update={"text": "another"}), WrittenNote)
    assert not is_undecided(refused.value)
    assert outside.done == [("KNOCK", 0)]


async def test_what_was_begun_outside_and_never_ended_is_not_begun_again(outside):
    outside.go.set()
    command = write("knock")
    await outside.ask(command, WrittenNote)
    outside.world.sql("UPDATE notes.command_records SET reply = NULL, created_at = created_at - interval '1 minute'")
    with pytest.raises(Conflict, match="is not known") as refused:
        await outside.ask(command, WrittenNote)
    assert is_undecided(refused.value)
    assert len(outside.done) == 1


async def test_what_could_not_be_done_outside_may_be_repeated(outside):
    outside.go.set()
    command = write("knock")
    outside.unable.append(ServiceUnavailable(retry_after=5))
    with pytest.raises(ServiceUnavailable) as refused:
        await outside.ask(command, WrittenNote)
    assert (refused.value.retry_after, outside.world.count("command_records")) == (5, 0)
    answer = await outside.change(command, WrittenNote)
    assert (answer.data.text, answer.replayed) == ("KNOCK", False)
    assert (await outside.change(command, WrittenNote)).replayed
    assert len(outside.done) == 2


@pytest.mark.parametrize("error", [FlowTaskError("cut short"), RuntimeError()], ids=type)
async def test_what_may_have_been_done_outside_is_not_done_again(outside, error):
    outside.go.set()
    command = write("knock")
    outside.unable.append(error)
    with pytest.raises(FlowTaskError):
        await outside.ask(command, WrittenNote)
    with pytest.raises(Conflict, match="is under way"):
        await outside.ask(command, WrittenNote)
    assert len(outside.done) == 1


async def test_what_is_refused_before_it_is_begun_leaves_nothing_and_may_be_repeated(outside):
    command = write("refuse")
    for _ in range(2):
        with pytest.raises(Conflict, match="REFUSE"):
            await outside.ask(command, WrittenNote)
    assert (outside.done, outside.world.count("command_records")) == ([], 0)


async def test_a_refusal_comes_back_as_the_error_it_was(desk):
    with pytest.raises(NotFound, match="Note not found"):
        await desk.ask(ReadNote(workspace_id=WORKSPACE, note_id=new_id()), Note)
    with pytest.raises(Conflict) as refused:
        await desk.ask(write("refuse"), WrittenNote)
    assert refused.value.details == (ErrorDetail(field="text", message="taken"),)


@pytest.mark.parametrize("content", ["refuse", "fail"])
async def test_a_command_that_fails_leaves_nothing_and_may_be_repeated(desk, content):
    command = write(content)
    for _ in range(2):
        with pytest.raises(FlowTaskError):
            await desk.ask(command, WrittenNote)
    assert (desk.world.count("notes"), desk.world.count("command_records")) == (0, 0)


async def test_an_unexpected_error_shows_nothing_of_the_inside(desk):
    with pytest.raises(FlowTaskError) as failed:
        await desk.ask(write("fail"), WrittenNote)
    assert type(failed.value) is FlowTaskError
    assert failed.value.body == FlowTaskError().body


async def test_a_command_that_breaks_its_contract_is_refused_field_by_field(desk):
    wrong = WriteNote.model_construct(_fields_set={"text"}, text="x" * 101)
    with pytest.raises(ValidationFailed) as refused:
        await desk.ask(wrong, WrittenNote)
    details = {detail.field: detail.message for detail in refused.value.details}
    assert details == {
        "workspaceId": "This field is required",
        "text": "String should have at most 100 characters",
    }


async def test_a_repeat_gets_the_same_reply_without_the_secret_and_happens_once(desk):
    command = write()
    first = await desk.ask(command, WrittenNote)

    again = [await desk.ask(command, WrittenNote) for _ in range(2)]

    assert again == [first.model_copy(update={"edit_key": None, "secret_shown": True})] * 2
    assert desk.world.count("notes") == 1
    assert "hunter2" not in desk.world.sql("SELECT * FROM notes.command_records")


async def test_a_repeat_gets_the_reply_of_its_time_though_things_have_changed_since(desk):
    note = await desk.ask(write(), WrittenNote)
    seal = SealNote(workspace_id=WORKSPACE, command_id=new_id(), note_id=note.id)
    assert (await desk.ask(seal, Note)).text == "hello (sealed)"
    await desk.ask(SealNote(workspace_id=WORKSPACE, command_id=new_id(), note_id=note.id), Note)
    assert (await desk.ask(seal, Note)).text == "hello (sealed)"


@pytest.mark.parametrize(
    "other", [{"text": "other"}, {"workspace_id": new_id()}], ids=["another text", "another workspace"]
)
async def test_another_request_under_the_same_id_is_a_conflict(desk, other):
    command = write()
    await desk.ask(command, WrittenNote)
    with pytest.raises(Conflict, match="another request"):
        await desk.ask(command.model_copy(update=other), WrittenNote)
    assert desk.world.count("notes") == 1


async def test_another_command_under_the_same_id_is_a_conflict(desk):
    command = write()
    note = await desk.ask(command, WrittenNote)
    with pytest.raises(Conflict):
        await desk.ask(SealNote(workspace_id=WORKSPACE, command_id=command.command_id, note_id=note.id), Note)


async def test_duplicates_at_the_same_time_are_told_to_come_back_and_get_the_first_ones_reply_then(desk, hold):
    command = write("hold")
    first = asyncio.create_task(desk.ask(command, WrittenNote))
    await eventually(lambda: hold.held)

    duplicates = [desk.ask(command, WrittenNote) for _ in range(20)]  # more than the service has connections
    refused = await asyncio.gather(
        *duplicates, return_exceptions=True
    )  # none of them waited: the first is still under way
    assert not first.done()
    assert {(type(each), each.retry_after) for each in refused} == {(Conflict, 1)}
    assert desk.world.count("notes") == 0

    hold.end.set()
    note = await first
    again = await desk.change(command, WrittenNote)
    assert (again.data.id, again.data.secret_shown, again.replayed) == (note.id, True, True)
    assert (desk.world.count("notes"), len(hold.held)) == (1, 1)


async def test_another_command_is_not_held_up_by_one_under_way(desk, hold):
    first = asyncio.create_task(desk.ask(write("hold"), WrittenNote))
    await eventually(lambda: hold.held)
    assert (await desk.ask(write(), WrittenNote)).text == "hello"
    hold.end.set()
    assert (await first).text == "hold"


async def test_a_reply_says_whether_it_was_given_before(desk):
    command = write()
    assert [(await desk.change(command, WrittenNote)).replayed for _ in range(3)] == [False, True, True]
    read = ReadNote(workspace_id=WORKSPACE, note_id=(await desk.ask(command, WrittenNote)).id)
    assert [(await desk.change(read, Note)).replayed for _ in range(2)] == [False, False]


async def test_many_slow_answers_do_not_wait_for_each_other(desk):
    begun = time.monotonic()
    slow = PatientNote(workspace_id=WORKSPACE, seconds=0.1)
    await asyncio.gather(*(desk.ask(slow, Note) for _ in range(CONCURRENCY)))
    assert time.monotonic() - begun < CONCURRENCY * 0.1 / 3


async def test_a_reply_that_no_message_could_hold_is_an_error_at_once(desk):
    row = new_id()
    desk.world.sql(f"INSERT INTO notes.notes VALUES ('{row}', repeat('x', {MAX_REPLY_BYTES}))")  # noqa: S608 - our id
    begun = time.monotonic()
    with pytest.raises(FlowTaskError) as failed:
        await desk.ask(ReadNote(workspace_id=WORKSPACE, note_id=row), Note)
    assert failed.value.status == 500
    assert time.monotonic() - begun < 2


async def test_no_answer_within_the_deadline_is_a_503_that_says_when_to_come_back(desk):
    begun = time.monotonic()
    with pytest.raises(ServiceUnavailable) as late:
        await desk.ask(SlowNote(workspace_id=WORKSPACE, seconds=1), Note)
    assert late.value.retry_after
    assert time.monotonic() - begun < 2


async def test_with_more_patience_a_late_answer_is_an_answer_and_the_service_that_was_late_tells_of_it(world):
    notes, desk = world.resources(), world.resources("front-desk", command_patience=10)
    answering(notes)
    await world.connected(desk, notes)
    logs.configure("notes", "info")  # whatever a test of this process has set before
    with capture_logs() as logged:
        note = await desk.commands.ask(SlowNote(workspace_id=WORKSPACE, seconds=1), Note)
    assert note.text == "slow"
    (told,) = [line for line in logged if line["event"] == "command answered too late"]
    assert told["seconds"] >= 1
