import pytest
from pydantic import SecretStr

from flowtask_contracts.errors import ValidationFailed
from flowtask_contracts.webhook_content import check_headers


def refused(headers):
    with pytest.raises(ValidationFailed) as refusal:
        check_headers({name: SecretStr(value) for name, value in headers.items()})
    assert not any(value in str(refusal.value.body) for value in headers.values() if len(value) > 4)
    return {detail.field: detail.message for detail in refusal.value.details}


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "cookie", "X-Tenant", "x_y", "Idempotency-Key"])
def test_headers_of_an_owners(name):
    check_headers({name: SecretStr("Bearer abc def"), "X-Other": SecretStr("~")})


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Host",
            "Connection",
            "keep-alive",
            "TE",
            "Trailer",
            "Transfer-Encoding",
            "Upgrade",
            "Expect",
            "HTTP2-Settings",
        ),
        *("Proxy-Authorization", "proxy-connection", "Content-Type", "content-length", "Content-Encoding"),
        *("X-FlowTask-Signature", "x-flowtask-anything", "webhook-id", "Webhook-Signature", "User-Agent"),
        *("Accept", "Accept-Encoding", "Date", "traceparent", "tracestate", "baggage"),
        *("Forwarded", "Via", "X-Forwarded-For", "X-Real-IP"),
    ],
)
def test_what_is_ours_the_connections_or_a_proxys_is_refused(name):
    for spelt in (name, name.upper(), name.lower()):
        assert "cannot be chosen" in refused({spelt: "value-of-it"})[f"headers.{spelt}"]


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ä", "x" * 101, "a\x00"])
def test_what_is_no_name_is_refused(name):
    [message] = refused({name: "value-of-it"}).values()
    assert "is no name of a header" in message


@pytest.mark.parametrize("value", ["", " a", "a ", "a\r\nX-Evil: 1", "a\nb", "a\x00b", "ä", "a\tb", "a\x7f"])
def test_what_could_end_a_line_or_is_read_differently_is_refused(value):
    assert "visible ASCII" in refused({"X-A": value})["headers.X-A"]


def test_a_name_may_be_there_once_and_all_together_have_a_limit():
    assert refused({"X-A": "1", "x-a": "2"}) == {"headers.x-a": "is there twice"}
    assert "take 4101 bytes" in refused({"X-A": "1" * 2048, "X-B": "2" * 2047})["headers"]
