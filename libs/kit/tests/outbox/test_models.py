import pytest
from notes.contracts import Note, NoteSealed, written
from notes.database import Outbox

from flowtask_contracts.events import Change, CloudEvent
from flowtask_contracts.events.schemas import BrokenEvent
from flowtask_kit.outbox.models import MAX_EVENT_BYTES, EventTooLarge


def test_a_row_is_the_event_as_it_will_travel():
    event = written("hello")
    row = Outbox.of(event)

    sent = CloudEvent.model_validate_json(row.payload)
    assert (sent.id, sent.source, sent.type, sent.workspaceid) == (
        row.event_id,
        "flowtask/notes",
        "note.written",
        event.workspace_id,
    )
    assert sent.data == {"id": str(event.data.id), "text": "hello"}
    assert (row.subject, row.headers) == ("events.note.written", {})
    assert Outbox.of(written(event=NoteSealed)).subject == "internal.note.sealed"


def test_each_row_has_its_own_id_that_sorts_after_the_one_before():
    event = written()
    ids = [Outbox.of(event).event_id for _ in range(100)]
    assert ids == sorted(set(ids))


def test_an_event_that_no_message_could_hold_is_refused_where_it_is_made():
    assert len(Outbox.of(written("x" * (MAX_EVENT_BYTES - 1000))).payload) <= MAX_EVENT_BYTES
    with pytest.raises(EventTooLarge, match=r"note.written: \d+ bytes"):
        Outbox.of(written("x" * MAX_EVENT_BYTES))
    with pytest.raises(EventTooLarge):
        Outbox.of(written("\U0001f680" * (MAX_EVENT_BYTES // 4)))


class Confided(Note):
    confided: str


def test_an_event_that_breaks_its_schema_is_refused_and_what_it_holds_is_not_told():
    fine = written("hello")
    broken = {
        "data.text": {"data": Note.model_construct(id=fine.data.id, text=5)},
        "data.confided": {"data": Confided(id=fine.data.id, text="hello", confided="whispered")},
        "changes": {"changes": {"text": Change(from_="a", to="b")}},
        "actor": {"actor": ""},
        "aggregateversion": {"version": 0},
        "subject": {"subject": fine.workspace_id},
    }
    for place, wrong in broken.items():
        with pytest.raises(BrokenEvent) as refusal:
            Outbox.of(fine.model_copy(update=wrong))
        assert str(refusal.value) == f"note.written: {place}"
    Outbox.of(fine)
