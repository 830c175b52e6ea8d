import pytest

from flowtask_contracts.errors import ValidationFailed
from flowtask_kit.cursors import cursor_id
from flowtask_kit.ids import new_id


def test_a_cursor_is_the_last_id_seen():
    identity = new_id()
    assert cursor_id(str(identity)) == identity
    assert cursor_id(None) is None


@pytest.mark.parametrize("text", ["", "page 2", "1", "019338f4"])
def test_what_is_no_id_is_refused(text):
    with pytest.raises(ValidationFailed) as refusal:
        cursor_id(text)
    assert refusal.value.details[0].field == "cursor"
