import pytest

from flowtask_webhook_dispatcher.transport import Failure, TransportError

CODES = {
    "invalid_url", "forbidden_port", "forbidden_address", "dns", "dns_timeout", "connect_refused", "connect_unreachable", "connect_timeout",
    "connect_failed", "tls", "tls_timeout", "tls_expired", "tls_not_yet_valid", "tls_self_signed", "tls_wrong_host", "tls_unknown_authority",
    "tls_certificate", "timeout", "closed", "invalid_answer", "proxy", "local",
}  # fmt: skip


def test_the_codes_stay_as_they_are_since_they_are_on_record():
    assert {str(kind) for kind in Failure} == CODES
    assert Failure("tls_expired") is Failure.TLS_EXPIRED


@pytest.mark.parametrize("kind", Failure)
def test_every_failure_is_explained_in_one_sentence(kind):
    assert kind.explanation[0].isupper()
    assert kind.explanation.endswith(".")
    assert kind.explanation.count(". ") == 0
    assert TransportError(kind).message == kind.explanation
    assert str(TransportError(kind, "More is known.")) == f"{kind}: More is known."


def test_whose_fault_a_failure_is():
    assert {kind for kind in Failure if kind.ours} == {Failure.PROXY, Failure.LOCAL}
    assert {kind for kind in Failure if kind.final} == {
        Failure.INVALID_URL,
        Failure.FORBIDDEN_PORT,
        Failure.FORBIDDEN_ADDRESS,
    }
