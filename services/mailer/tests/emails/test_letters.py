from uuid import uuid4

import pytest

from flowtask_kit.ids import new_id
from flowtask_mailer.emails.letters import TASK_ASSIGNED, Circumstances, Letters, one_line

TASK = {
    "id": str(new_id()),
    "title": "Write it down",
    "description": None,
    "status": "TODO",
    "priority": "HIGH",
    "dueDate": None,
    "projectId": None,
    "project": None,
    "assigneeId": str(uuid4()),
    "createdAt": "2026-11-22T10:00:00.000Z",
    "updatedAt": "2026-11-22T10:00:00.000Z",
    "completedAt": None,
}


@pytest.fixture
def write():
    letters = Letters("https://app.example.com/")

    def letter(task=(), **around):
        known = {"recipient_name": "Ada", "actor_name": None, "actor_is_recipient": False, "workspace_name": None}
        return letters.write(TASK_ASSIGNED, {"task": TASK | dict(task)}, Circumstances(**(known | around)))

    return letter


def test_an_assignment_says_who_what_and_where(write):
    letter = write(
        {"dueDate": "2026-12-01T09:30:00.000Z", "project": {"id": str(new_id()), "name": "Launch"}},
        actor_name="Grace",
        workspace_name="Navy",
    )
    assert letter.subject == "You've been assigned: Write it down"
    for told in (letter.text, letter.html):
        assert "Hello Ada," in told
        assert "Grace has assigned you a task in Navy:" in told
        assert "Launch" in told
        assert "HIGH" in told
        assert "01 December 2026, 09:30 UTC" in told
        assert f"https://app.example.com/tasks/{TASK['id']}" in told


def test_what_is_not_known_is_left_out(write):
    letter = write()
    assert "Hello Ada,\n\na task was assigned to you:\n\n  Write it down\n\nPriority: HIGH\n\nhttps://" in letter.text
    for told in (letter.text, letter.html):
        assert "None" not in told
        assert "Project" not in told
        assert "Due" not in told


def test_an_assignment_to_oneself_is_told_as_one(write):
    assert "you have assigned yourself a task:" in write(actor_name="Ada", actor_is_recipient=True).text


def test_strangers_text_stays_text(write):
    hostile = '<script>alert(1)</script> {{ 7*7 }} & "quotes"'
    letter = write({"title": hostile}, actor_name="<b>Grace</b>", workspace_name="{{ around }}")
    assert "<script>" not in letter.html
    assert "<b>" not in letter.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }} &amp; &#34;quotes&#34;" in letter.html
    assert hostile in letter.text
    assert letter.subject == f"You've been assigned: {hostile}"


@pytest.mark.parametrize("breaking", ["\r\n", "\n", "\r", "\x0b", "\x85", "\u2028", "\u2029", "\t \t"])
def test_a_title_cannot_begin_a_new_header_nor_a_new_line(write, breaking):
    letter = write({"title": f"Pay{breaking}Bcc: everyone@example.com"})
    assert letter.subject == "You've been assigned: Pay Bcc: everyone@example.com"
    assert "  Pay Bcc: everyone@example.com\n" in letter.text


def test_a_long_subject_is_shortened_and_the_letter_has_it_all(write):
    title = "ä" * 200
    letter = write({"title": title})
    assert len(letter.subject) == 200
    assert letter.subject.endswith("ä…")
    assert title in letter.text


def test_a_line_is_a_line():
    assert one_line("  a \x00 b\n\n\nc ") == "a b c"
    assert one_line("zero‍width joiners and 👩‍🚀 stay") == "zero‍width joiners and 👩‍🚀 stay"
