"""Which secrets people may choose for their webhooks."""

import base64
import re
from random import Random

import pytest
from pydantic import TypeAdapter, ValidationError
from standardwebhooks import Webhook

from flowtask_contracts.commands import CreateEndpoint, RotateSecret
from flowtask_contracts.signing_secrets import PATTERN, OwnSecret, decoded, is_weak

SECRET = TypeAdapter(OwnSecret)
IDS = {"workspaceId": "01aac000-0000-7000-8000-0000000000aa", "endpointId": "01aac000-0000-7000-8000-0000000000ee"}


def drawn(length):
    """The same random bytes in every run, for they are in the names of tests."""
    return Random(length).randbytes(length)  # noqa: S311 - and so they need not be secret


def whsec(key):
    return "whsec_" + base64.b64encode(key).decode()


@pytest.mark.parametrize("length", range(24, 65))
def test_random_bytes_of_every_allowed_length_are_taken_and_libraries_sign_with_them(length):
    secret = whsec(drawn(length))
    assert SECRET.validate_python(secret).get_secret_value() == secret
    assert re.search(PATTERN, secret)
    assert decoded(secret) == base64.b64decode(secret.removeprefix("whsec_"))
    Webhook(secret)


def test_hardly_any_random_bytes_are_called_weak():
    random = Random(1)  # noqa: S311 - the same ones in every run
    assert not any(is_weak(random.randbytes(24)) for _ in range(20_000))
    assert not any(is_weak(random.randbytes(16).hex().encode()) for _ in range(20_000))


FORM = "must be whsec_ and the base64 of 24 to 64 bytes"
GOOD = whsec(bytes(range(0, 192, 8))[:12] + drawn(20))


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "hunter2",
        GOOD.removeprefix("whsec_"),
        GOOD.replace("whsec_", "whsk_"),
        GOOD.replace("whsec_", "WHSEC_"),
        f" {GOOD}",
        f"{GOOD}\n",
        f"{GOOD[:20]} {GOOD[20:]}",
        GOOD.rstrip("="),
        GOOD[:-4] + "é===",
        GOOD[:-6] + "\x00AA==",
        whsec(b"\xfb\xff\xfe" * 8).replace("+", "-").replace("/", "_"),
        whsec(drawn(23)),
        whsec(drawn(65)),
        "whsec_" + "A" * 100_000,
    ],
)
def test_what_has_another_form_is_refused_with_the_form(secret):
    with pytest.raises(ValidationError) as refusal:
        SECRET.validate_python(secret)
    [problem] = refusal.value.errors(include_input=False)
    assert problem["msg"] == f"Value error, {FORM}"
    assert not re.search(PATTERN.replace("$", r"\Z"), secret)


@pytest.mark.parametrize(
    "key",
    [
        bytes(32),
        b"\xff" * 24,
        b"ab" * 16,
        b"secret" * 5,
        b"passwordpasswordpassword",
        b"0123456789" * 3,
        bytes(range(32)),
        bytes(range(64, 0, -2)),
        b"abcdefghijklmnopqrstuvwxyz",
        bytes(255 - 3 * number for number in range(40)),
        drawn(16) * 2,
        drawn(12) * 3 + b"x",
        b"a" * 31 + b"b",
        b"1" * 16 + b"234567" + b"2" * 10,
    ],
)
def test_what_is_easy_to_guess_is_refused_with_a_way_to_make_a_better_one(key):
    if key.endswith(b"x"):
        key = key[:-1]
    with pytest.raises(ValidationError, match="too easy to guess; take random bytes"):
        SECRET.validate_python(whsec(key))


def test_a_refused_secret_is_not_repeated_and_its_field_is_named():
    for command, fields in ((CreateEndpoint, {"url": "https://a.example", "events": ["*"]}), (RotateSecret, {})):
        for secret in (whsec(b"ab" * 16), "whsec_5ec3e75ec3e7"):
            with pytest.raises(ValidationError) as refusal:
                command.model_validate({**IDS, "createdBy": IDS["endpointId"], **fields, "secret": secret})
            assert [problem["loc"] for problem in refusal.value.errors(include_input=False)] == [("secret",)]
            assert secret not in str(refusal.value)


def test_a_command_shows_its_secret_to_the_other_service_alone():
    secret = whsec(drawn(32))
    command = RotateSecret.model_validate({**IDS, "secret": secret})
    assert secret not in f"{command!r} {command} {command.model_dump()}"
    assert f'"secret":"{secret}"' in command.model_dump_json(by_alias=True, exclude_unset=True)
    assert "secret" not in RotateSecret.model_validate(IDS).model_dump_json(by_alias=True, exclude_unset=True)


@pytest.mark.parametrize("seconds", [-1, 604_801, 1.5, "x", None])
def test_an_overlap_is_at_most_seven_days(seconds):
    assert RotateSecret.model_validate({**IDS, "overlapSeconds": 604_800}).overlap_seconds == 604_800
    assert RotateSecret.model_validate({**IDS, "overlapSeconds": 0}).overlap_seconds == 0
    with pytest.raises(ValidationError):
        RotateSecret.model_validate({**IDS, "overlapSeconds": seconds})
