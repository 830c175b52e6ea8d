from ipaddress import ip_network

import pytest
from pydantic import ValidationError

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


@pytest.mark.parametrize(
    "wrong",
    [
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
