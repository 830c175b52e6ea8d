import pytest
from pydantic import SecretStr, ValidationError

from flowtask_kit.bootstrap.settings import BootstrapSettings
from flowtask_kit.settings import ServiceSettings

VALUES = {"database_url": "postgresql://u:hunter2@h/d", "nats_url": "nats://u:hunter3@h"}


def test_secrets_are_never_printed():
    settings = ServiceSettings(**VALUES)
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.model_dump())):
        assert "hunter" not in shown
    bootstrap = BootstrapSettings(**VALUES, role_passwords={"notes": "hunter4"})
    for shown in (repr(bootstrap), str(bootstrap), bootstrap.model_dump_json(), repr(bootstrap.role_passwords)):
        assert "hunter" not in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "mysql://u:hunter2@h/d"),
        ("database_url", "hunter2"),
        ("database_url", "postgresql://"),
        ("nats_url", "http://hunter2"),
        ("log_level", "loud"),
        ("port", 70000),
        ("stop_seconds", 0),
    ],
)
def test_a_wrong_setting_is_refused_without_being_repeated(name, value):
    with pytest.raises(ValidationError) as refused:
        ServiceSettings(**{**VALUES, name: value})
    assert [problem["loc"] for problem in refused.value.errors()] == [(name,)]
    assert "hunter2" not in str([problem["msg"] for problem in refused.value.errors()])


def test_settings_come_from_the_environment_at_the_moment_they_are_made(monkeypatch):
    for name, value in VALUES.items():
        monkeypatch.setenv(f"FLOWTASK_{name.upper()}", value)
    monkeypatch.setenv("FLOWTASK_PORT", "9")
    settings = ServiceSettings()
    assert (settings.port, settings.database_url) == (9, SecretStr(VALUES["database_url"]))


@pytest.mark.parametrize("kind", [ServiceSettings, BootstrapSettings])
def test_every_setting_is_described(kind):
    assert not [name for name, field in kind.model_fields.items() if not field.description]
