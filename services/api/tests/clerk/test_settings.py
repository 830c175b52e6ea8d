import pytest
from pydantic import SecretStr, ValidationError

from flowtask_api.app import create_app
from flowtask_api.clerk.authenticator import ClerkAuthenticator
from flowtask_api.settings import ApiSettings


def settings_with(**clerk):
    return ApiSettings(
        database_url=SecretStr("postgresql://a:b@127.0.0.1/c"), nats_url=SecretStr("nats://127.0.0.1"), **clerk
    )


@pytest.mark.parametrize(
    "value",
    [
        "https://clerk.example.com",
        "https://clerk.example.com/",
        "http://127.0.0.1:1",
        "http://localhost:1",
        "http://[::1]:1",
    ],
)
def test_an_issuer_is_https_or_on_this_machine(value):
    assert settings_with(clerk_issuer=value).clerk_issuer == value.rstrip("/")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "clerk.example.com",
        "http://clerk.example.com",
        "http://127.0.0.1.example.com",
        "ftp://clerk.example.com",
        "https://",
        "https://user:pass@clerk.example.com",
        "https://clerk.example.com?a=b",
        "https://clerk.example.com#a",
        "https://clerk.example.com:99999",
        "https://clerk.exämple.com",
        "https://clerk.example.com/ a",
    ],
)
def test_anything_else_is_no_issuer(value):
    for name in ("clerk_issuer", "clerk_jwks_url"):
        with pytest.raises(ValidationError):
            settings_with(**{name: value})


def test_origins_are_separated_by_commas():
    given = settings_with(clerk_authorized_parties="https://app.example.com, http://localhost:3000,")
    assert given.clerk_authorized_parties == ("https://app.example.com", "http://localhost:3000")


@pytest.mark.parametrize("value", ["app.example.com", "https://App.example.com", "https://a.example/", "*", "https://"])
def test_what_no_browser_sends_is_no_origin(value):
    with pytest.raises(ValidationError):
        settings_with(clerk_authorized_parties=value)


def test_without_an_issuer_there_is_no_signing_in():
    for issuer, count in ((None, 0), ("https://clerk.example.com", 1)):
        found = create_app(settings_with(clerk_issuer=issuer)).state.authenticators
        assert sum(isinstance(each, ClerkAuthenticator) for each in found) == count
