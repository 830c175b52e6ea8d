from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from flowtask_kit.service.cli import read_settings
from flowtask_webhook_dispatcher.settings import DispatcherSettings

REQUIRED = {
    "database_url": "postgresql://u:p@localhost/f",
    "nats_url": "nats://localhost",
    "webhooks_secret_keys": "a:c2VjcmV0",
}


def test_networks_are_read_from_one_line():
    settings = DispatcherSettings(**REQUIRED, webhooks_allow_private_networks="10.0.0.0/8, ::1/128,")
    assert settings.webhooks_allow_private_networks == (ip_network("10.0.0.0/8"), ip_network("::1/128"))


def test_nothing_private_and_nothing_unencrypted_is_allowed_unless_said():
    settings = DispatcherSettings(**REQUIRED)
    assert settings.webhooks_allow_private_networks == ()
    assert settings.webhooks_allow_http is False


def test_ports_are_read_from_one_line():
    settings = DispatcherSettings(**REQUIRED, webhooks_ports=" 8443, 9000-9100,80-80,")
    assert settings.webhooks_ports == (range(8443, 8444), range(9000, 9101), range(80, 81))
    assert DispatcherSettings(**REQUIRED).webhooks_ports == ()


def test_a_proxy_that_cannot_be_used_is_refused_without_being_repeated(monkeypatch, capsys):
    for name, value in REQUIRED.items():
        monkeypatch.setenv(f"FLOWTASK_{name.upper()}", value)
    monkeypatch.setenv("FLOWTASK_WEBHOOKS_PROXY_URL", "https://me:hunter2@proxy:3128")
    with pytest.raises(SystemExit):
        read_settings(DispatcherSettings)
    told = capsys.readouterr().err
    assert told.startswith("FLOWTASK_WEBHOOKS_PROXY_URL: ")
    assert "http://host:port" in told
    assert "hunter2" not in told


def test_the_password_of_the_proxy_does_not_show_in_the_settings_text():
    settings = DispatcherSettings(**REQUIRED, webhooks_proxy_url="http://me:hunter2@proxy:3128")
    assert settings.webhooks_proxy_url.get_secret_value() == "http://me:hunter2@proxy:3128"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhooks_ports": "https"},
        {"webhooks_ports": "0"},
        {"webhooks_ports": "65536"},
        {"webhooks_ports": "9-8"},
        {"webhooks_ports": "1-"},
        {"webhooks_ports": "-1"},
        {"webhooks_ports": "1-2-3"},
        {"webhooks_ports": "\uff18\uff10"},
        {"webhooks_ports": "9" * 5000},
        {"webhooks_proxy_url": "proxy:3128"},
        {"webhooks_allow_private_networks": "localhost"},
        {"webhooks_timeout_seconds": 0},
        {"webhooks_concurrency": 0},
        {"webhooks_endpoint_concurrency": 0},
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        DispatcherSettings(**REQUIRED, **wrong)


def test_the_key_ring_does_not_show_in_the_settings_text():
    assert "c2VjcmV0" not in repr(DispatcherSettings(**REQUIRED))
