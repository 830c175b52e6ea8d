from flowtask_contracts.events import Change, CloudEvent, changes_between

TASK = {"title": "a", "description": None, "tags": ["x"], "project": {"id": "1"}, "updatedAt": "t0"}


def test_nothing_changed_means_no_changes():
    assert changes_between(TASK, dict(TASK)) == {}


def test_the_time_of_the_write_itself_is_no_change():
    assert changes_between(TASK, {**TASK, "updatedAt": "t1"}) == {}


def test_a_changed_field_is_told_with_both_values():
    after = {**TASK, "title": "b", "description": "new", "tags": ["x", "y"]}
    assert changes_between(TASK, after) == {
        "title": Change(from_="a", to="b"),
        "description": Change(from_=None, to="new"),
        "tags": Change(from_=["x"], to=["x", "y"]),
    }


def test_a_value_that_becomes_null_is_a_change():
    assert changes_between(TASK, {**TASK, "project": None}) == {"project": Change(from_={"id": "1"}, to=None)}


def test_fields_that_come_or_go_are_changes_from_or_to_null():
    gone = {name: value for name, value in TASK.items() if name != "title"}
    assert changes_between(TASK, gone) == {"title": Change(from_="a", to=None)}
    assert changes_between(gone, TASK) == {"title": Change(from_=None, to="a")}


def test_changes_are_written_as_from_and_to():
    assert Change(from_=1, to=2).model_dump(mode="json", by_alias=True) == {"from": 1, "to": 2}


def test_absent_changes_are_left_out_and_empty_ones_stay():
    event = {
        "id": "01aac000-0000-7000-8000-0000000000ef",
        "source": "s",
        "type": "t",
        "subject": "x",
        "time": "2026-11-22T10:00:00Z",
        "workspaceid": "01aac000-0000-7000-8000-0000000000aa",
        "actor": "system",
        "aggregateversion": 1,
        "dataversion": 1,
        "data": {},
    }
    assert b"changes" not in CloudEvent.model_validate(event).to_json()
    assert b'"changes":{}' in CloudEvent.model_validate({**event, "changes": {}}).to_json()
