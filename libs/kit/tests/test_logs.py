import json
import subprocess
import sys

PROGRAM = """
import logging
from flowtask_kit import logs, traces
log = logs.get("a.module")
logs.configure("notes", "info")
traces.configure("notes", None)
{}
"""


def lines(code):
    """What a process writes, each line parsed."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM.format(code)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_line_is_json_that_names_service_module_and_level():
    (line,) = lines("log.debug('unseen'); log.info('seen', number=1, text='ü')")
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "service": "notes",
        "module": "a.module",
        "level": "info",
        "event": "seen",
        "number": 1,
        "text": "ü",
    }


def test_request_and_trace_ids_are_on_each_line_of_a_request():
    inside, outside = lines(
        "token = logs.REQUEST_ID.set('r-1')\n"
        "with traces.tracer().start_as_current_span('s'):\n"
        "    log.info('inside')\n"
        "logs.REQUEST_ID.reset(token)\n"
        "log.info('outside')"
    )
    assert inside["request_id"] == "r-1"
    assert (len(inside["trace_id"]), len(inside["span_id"])) == (32, 16)
    assert {"request_id", "trace_id", "span_id"}.isdisjoint(outside)


def test_the_line_of_a_request_looks_like_any_other():
    told, logged = lines(
        "logs.REQUEST_ID.set('r-1')\n"
        "with traces.serving('GET request', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'):\n"
        "    logs.access({'event': 'request', 'module': 'a.module', 'status': 200})\n"
        "    log.info('request', status=200)"
    )
    assert [line.pop("timestamp")[-1] for line in (told, logged)] == ["Z", "Z"]
    assert told == logged
    assert told["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


def test_the_standard_librarys_warnings_come_in_the_same_shape():
    (line,) = lines("logging.getLogger('lib').info('unseen'); logging.getLogger('lib').warning('a %s', 'warning')")
    assert (line["service"], line["event"], line["level"], line["logger"]) == ("notes", "a warning", "warning", "lib")


def test_a_traceback_is_one_line():
    (line,) = lines("try: 1 / 0\nexcept Exception: log.exception('failed')")
    assert "ZeroDivisionError" in line["exception"]
    (line,) = lines("try: 1 / 0\nexcept Exception: logging.getLogger('lib').exception('failed')")
    assert "ZeroDivisionError" in line["exception"]


def test_nothing_that_is_logged_can_make_logging_fail():
    first, second = lines(
        "log.info('a\\n\\x00\\ud800', huge=2**70, thing=object(), raw=b'x', keys={1: 2})\n"
        "try: raise ValueError('\\udfff')\n"
        "except ValueError as error: log.error('failed', exc_info=error)"
    )
    assert (first["event"], first["huge"]) == ("a\n\x00\ud800", 2**70)
    assert "ValueError" in second["exception"]


def test_what_looks_like_a_secret_is_masked_wherever_it_stands():
    key, secret = "ft_" + "0a" * 32, "whsec_" + "Zm9v" * 8
    found = lines(
        f"log.info('a {key}', request_id='{key}', **{{'{key}': ['{secret}']}})\n"
        f"try:\n    raise ValueError('{secret}')\nexcept ValueError:\n    log.exception('b')\n"
        f"logging.getLogger('lib').warning('%s', '{key}')\n"
        "log.info('shift_left ft_short')"
    )
    written = json.dumps([*found, *lines(f"log.info('whsk_{'Zm9v' * 20}', where='whpk_and_whsk_short')")])
    assert "whsk_****" in written
    assert "whpk_and_whsk_short" in written
    assert "0a0a" not in written
    assert "Zm9v" not in written
    assert [line["event"] for line in found] == ["a ft_****", "b", "ft_****", "shift_left ft_short"]
    assert "ValueError: whsec_****" in found[1]["exception"]
