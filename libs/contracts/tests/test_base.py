from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from flowtask_contracts.base import Contract, Input, Instant, Text, rfc3339
from flowtask_contracts.errors import ErrorBody

INSTANT = TypeAdapter(Instant)
TEXT = TypeAdapter(Text)
TEN = datetime(2026, 11, 22, 10, tzinfo=UTC)


class Message(Contract):
    some_field: int = 0


class Form(Input):
    some_field: int = 0


def test_fields_are_camel_case_on_the_wire():
    assert Message(some_field=1).model_dump_json(by_alias=True) == '{"someField":1}'
    assert Message.model_validate_json('{"someField":1}') == Message(some_field=1)


def test_a_message_ignores_what_it_does_not_know_and_a_strangers_input_is_refused():
    assert Message.model_validate({"someField": 1, "other": 2}) == Message(some_field=1)
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Form.model_validate({"someField": 1, "other": 2})


def test_messages_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Message().some_field = 2


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T10:00:00Z", TEN),
        ("2026-11-22t10:00:00z", TEN),
        ("2026-11-22 10:00:00Z", TEN),
        ("2026-11-22T10:00:00-00:00", TEN),
        ("2026-11-22T15:30:00+05:30", TEN),
        ("2026-11-21T21:00:00-13:00", TEN),
        ("2026-11-22T10:00:00.123456789Z", TEN.replace(microsecond=123456)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999Z", datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
    ],
)
def test_moments_are_read_from_rfc_3339_and_held_in_utc(text, moment):
    read = INSTANT.validate_python(text)
    assert read == moment
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        1763805600,
        1763805600.5,
        "1763805600",
        "1763805600000",
        True,
        None,
        b"2026-11-22T10:00:00Z",
        "2026-11-22",
        "10:00:00Z",
        "2026-11-22T10:00:00",
        "2026-11-22T10:00Z",
        "2026-11-22T10:00:00+0530",
        "2026-11-22T10:00:00+05",
        "2026-11-22T24:00:00Z",
        "2026-13-01T10:00:00Z",
        "2026-02-29T10:00:00Z",
        "0000-01-01T00:00:00Z",
        "12026-11-22T10:00:00Z",
        " 2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00Z\n",
        "2026-11-22T10:00:00.Z",
        "\N{ARABIC-INDIC DIGIT TWO}026-11-22T10:00:00Z",
        "now",
        "",
        datetime(2026, 11, 22, 10),  # noqa: DTZ001 - the naive time is the point
    ],
)
def test_numbers_naive_times_and_other_notations_are_refused(value):
    with pytest.raises(ValidationError):
        INSTANT.validate_python(value)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"])
def test_a_moment_that_leaves_the_calendar_in_utc_is_refused_and_not_a_crash(text):
    with pytest.raises(ValidationError, match="out of range"):
        INSTANT.validate_python(text)


def test_moments_are_written_with_milliseconds_whatever_zone_they_were_made_in():
    india = timezone(timedelta(hours=5, minutes=30))
    assert INSTANT.dump_json(INSTANT.validate_python(TEN.astimezone(india))) == b'"2026-11-22T10:00:00.000Z"'
    assert rfc3339(datetime(1, 1, 1, 0, 0, 0, 999999, tzinfo=UTC)) == "0001-01-01T00:00:00.999Z"


def test_what_was_written_reads_as_what_is_written_again():
    written = INSTANT.dump_json(INSTANT.validate_python("2026-11-22T10:00:00.123987Z"))
    assert INSTANT.dump_json(INSTANT.validate_json(written)) == written


@pytest.mark.parametrize("text", ["", "a b\tc\r\n", "Ünïcödé \U0001f680", "\ufffe\ufeff", "\x01\x7f", "\\u0000"])
def test_any_text_that_postgresql_can_hold_passes(text):
    assert TEXT.validate_python(text) == text


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "a\udfff", "\udc80b"])
def test_nul_and_lone_surrogates_are_refused(text):
    with pytest.raises(ValidationError):
        TEXT.validate_python(text)


@pytest.mark.parametrize("document", [rb'"\u0000"', rb'"\ud800"', rb'"\udfff"', b'"\xff"', b'"\xed\xa0\x80"'])
def test_they_are_refused_in_json_too_however_they_are_written(document):
    with pytest.raises(ValidationError):
        TEXT.validate_json(document)


def test_a_pair_of_surrogate_escapes_is_one_character():
    assert TEXT.validate_json(rb'"\ud83d\ude80"') == "\U0001f680"


def test_an_error_does_not_repeat_what_it_could_not_read():
    with pytest.raises(ValidationError) as error:
        ErrorBody.model_validate({"code": {"secret": "whsec_x"}, "message": "m"})
    assert "code" in str(error.value)
    assert "whsec_x" not in str(error.value)
