import json

from flowtask_local.loglines import Reader


def plain(text, _style):
    return text


def test_json_lines_become_readable_with_their_fields():
    line = json.dumps(
        {
            "timestamp": "2026-11-22T10:00:01.234567Z",
            "level": "warning",
            "event": "request",
            "module": "left.out",
            "status": 201,
            "route": "/tasks",
            "words": "two words",
            "none": None,
        }
    )

    text = Reader(plain).readable("api", line)

    assert text.split(" ", 1)[1] == 'api warning request status=201 route=/tasks words="two words" none=null'
    assert text[8:].startswith(".234 ")


def test_stack_traces_stand_below_and_other_lines_stay_as_they_are():
    reader = Reader(plain)
    failed = json.dumps({"level": "error", "event": "failed", "exception": "Traceback:\n  here"})

    assert reader.readable("api", failed).splitlines()[1:] == ["    Traceback:", "      here"]
    for line in ("  File x", '{"not": "a log line"}', "{broken", "[1]"):
        assert reader.readable("api", line).endswith(f"api {line}")


def test_names_line_up_and_colours_stay_with_their_service():
    reader = Reader(lambda text, style: f"<{style}>{text}" if text.strip() in {"api", "webhook-dispatcher"} else text)
    first = reader.readable("webhook-dispatcher", "x")
    second = reader.readable("api", "x")

    assert "<cyan>webhook-dispatcher x" in first
    assert "<magenta>api                x" in second
    assert "<cyan>webhook-dispatcher x" in reader.readable("webhook-dispatcher", "x")


def test_what_strangers_write_cannot_steer_the_terminal():
    evil = "\x1b]0;title\x07\x9b31m"
    for line in (json.dumps({"event": evil, evil: evil, "level": evil, "exception": evil}), evil):
        shown = Reader(plain).readable("api", line)
        assert "\x1b" not in shown
        assert "\x07" not in shown
        assert "\x9b" not in shown
