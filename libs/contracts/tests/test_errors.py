import inspect

import pytest

from flowtask_contracts import errors
from flowtask_contracts.errors import ErrorBody, ErrorDetail, FlowTaskError, NotFound, RateLimited, error_from

TREE = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, FlowTaskError)
]  # fmt: skip


def travelled(error):
    """The error after its way over the wire."""
    return error_from(ErrorBody.model_validate_json(error.body.model_dump_json(by_alias=True)))


@pytest.mark.parametrize("kind", TREE)
def test_every_error_arrives_as_what_it_was(kind):
    sent = kind("because", details=[ErrorDetail(field="a.b", message="no")], retry_after=7)

    received = travelled(sent)

    assert type(received) is kind
    assert (received.status, received.body) == (sent.status, sent.body)
    assert str(received) == "because"


@pytest.mark.parametrize("kind", TREE)
def test_every_error_says_something_without_being_told(kind):
    assert travelled(kind()).body == kind().body
    assert kind().body.message
    assert (kind().details, kind().retry_after) == ((), None)


def test_codes_are_unique():
    assert len({kind.code for kind in TREE}) == len(TREE)


def test_the_docstring_draws_the_whole_tree():
    for kind in TREE:
        line = next(
            line for line in (errors.__doc__ or "").splitlines() if line.strip("|+- ").startswith(f"{kind.__name__} ")
        )
        assert line.split()[-2:] == [str(kind.status), kind.code]


def test_an_error_of_a_feature_arrives_as_its_parent_with_its_own_message():
    class NoteNotFound(NotFound):
        message = "Note not found"

    received = travelled(NoteNotFound())

    assert type(received) is NotFound
    assert received.body == ErrorBody(code="NOT_FOUND", message="Note not found")


def test_an_unknown_code_is_an_internal_error_that_repeats_nothing():
    received = error_from(
        ErrorBody(code="OUT_OF_CHEESE", message="secret", details=(ErrorDetail(field="x", message="y"),))
    )

    assert type(received) is FlowTaskError
    assert received.body == FlowTaskError().body


def test_a_message_of_one_error_is_not_the_class_s():
    RateLimited("only this one")
    assert RateLimited().message == RateLimited.message != "only this one"
