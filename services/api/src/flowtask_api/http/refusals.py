"""Saying beside the code what it refuses, so that the API's description can tell it."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from fastapi.dependencies.models import Dependant

from flowtask_contracts.errors import FlowTaskError

F = TypeVar("F", bound=Callable[..., Any])

Refusal = type[FlowTaskError]


def may_raise(*kinds: Refusal) -> Callable[[F], F]:
    """Mark a route or a dependency with the refusals that callers can meet in it."""

    def mark(function: F) -> F:
        function.__dict__["refusals"] = kinds
        return function

    return mark


def refusals_of(dependant: Dependant) -> Iterator[Refusal]:
    """The marks of a route and of all that it depends on."""
    yield from getattr(dependant.call, "refusals", ())
    for dependency in dependant.dependencies:
        yield from refusals_of(dependency)
