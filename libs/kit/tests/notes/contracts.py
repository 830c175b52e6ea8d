"""What the notes service says and answers; `front-desk` asks it."""

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from flowtask_contracts.base import Contract, Text
from flowtask_contracts.commands import WorkspaceCommand
from flowtask_contracts.events import Event
from flowtask_contracts.topology import Durable, Service, Stream, Topology
from flowtask_kit.ids import new_id, utc_now

MIB = 1024**2


class Note(Contract):
    id: UUID
    text: str


class NoteWritten(Event):
    type = "note.written"
    data: Note


class NoteSealed(Event):
    type = "note.sealed"
    public = False
    data: Note


class NotesCommand(WorkspaceCommand):
    service: ClassVar[str] = "notes"


class WrittenNote(Note):
    edit_key: str | None = None
    secret_shown: bool = False


class WriteNote(NotesCommand):
    verb = "write"
    answer = WrittenNote
    changes = True
    concealed = frozenset({"edit_key"})

    text: Text = Field(min_length=1, max_length=100)


class SealNote(NotesCommand):
    verb = "seal"
    answer = Note
    changes = True

    note_id: UUID


class ReadNote(NotesCommand):
    verb = "read"
    answer = Note

    note_id: UUID


class SlowNote(NotesCommand):
    verb = "slow"
    answer = Note
    deadline = 0.5

    seconds: float


class PatientNote(SlowNote):
    verb = "patient"
    deadline = 5.0


class LostNote(NotesCommand):
    """Nobody answers it."""

    verb = "lost"
    answer = Note


def written(text="hello", *, event=NoteWritten):
    note = Note(id=new_id(), text=text)
    return event(workspace_id=new_id(), subject=note.id, time=utc_now(), actor="system", version=1, data=note)


NOTES = Service(
    name="notes",
    schema="notes",
    publishes=("events.note.>", "internal.note.>", "journal.>", "elsewhere.>", "schedules.notes.>"),
)
DESK = Service(name="front-desk", schema="desk", publishes=("events.desk.>",), asks=("notes",))
READER = Durable(name="note-reader", stream="EVENTS", service="notes", filters=("events.>",), ack_wait=5)
SEALER = Durable(
    name="note-sealer", stream="INTERNAL", service="notes", filters=("internal.note.sealed", "internal.note.lost")
)
CLERK = Durable(name="desk-clerk", stream="EVENTS", service="front-desk", filters=("events.note.>",))
NOTE_JOBS = Durable(name="note-jobs", stream="SCHEDULES", service="notes", filters=("jobs.notes.>",), ack_wait=5)
JOURNAL = Stream(name="JOURNAL", subjects=("journal.>",), max_bytes=16 * MIB, cleared_by="notes")
COPYIST = Durable(name="copyist", stream="JOURNAL", service="notes", filters=("journal.>",))
CENSOR = Durable(name="censor", stream="JOURNAL", service="front-desk", filters=("journal.note.secret",))
TOPOLOGY = Topology(
    services=(NOTES, DESK),
    streams=(
        Stream(name="EVENTS", subjects=("events.>",), max_bytes=64 * MIB),
        Stream(name="INTERNAL", subjects=("internal.>",), max_bytes=16 * MIB),
        JOURNAL,
        Stream(name="SCHEDULES", subjects=("schedules.>", "jobs.>"), max_bytes=1 * MIB, holds_schedules=True),
    ),
    durables=(READER, SEALER, CLERK, COPYIST, CENSOR, NOTE_JOBS),
)
