"""The way from a request to a route's answer, worked out once.

The framework's solver walks a route's tree of dependencies on every request, and keeps two stacks for generators that few
routes have; that is a fifth of what a request costs here. A plan is the same tree as a list of steps. What it reads and
how that is refused is the framework's own, so both ways answer alike. A route that needs what a plan does not know
(generators, cookies, forms, streams, background tasks) has none, and goes the framework's way.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any, Self

from fastapi import Request, Response
from fastapi._compat import ModelField
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_body_to_args, request_params_to_args
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.routing import APIRoute
from pydantic_core import PydanticUndefined
from starlette.exceptions import HTTPException

from flowtask_contracts.errors import MalformedBody

_NO_CONTENT = 204


@dataclass(frozen=True, slots=True)
class _Step:
    """One call: what it is given by earlier steps, by name, and what it reads of the request."""

    call: Callable[..., Awaitable[Any]]
    given: Sequence[tuple[str, int]]
    needs: Sequence[int]
    request: str | None
    response: str | None
    path: Sequence[ModelField]
    query: Sequence[ModelField]
    headers: Sequence[ModelField]
    body: list[ModelField]

    @property
    def reads(self) -> bool:
        """Whether anything of the request has to be understood before the call."""
        return bool(self.path or self.query or self.headers or self.body)


class _Said(Response):
    """What a route says of its answer before there is one: headers, and a status."""

    def __init__(self) -> None:
        self.raw_headers = []
        self.status_code = 0


class Plan:
    """Answers requests of one route."""

    def __init__(self, route: APIRoute) -> None:
        self._steps: list[_Step] = []
        self._add(route.dependant, {})
        self._body = route.body_field is not None
        self._embed = route._embed_body_fields  # noqa: SLF001 - has no public name
        self._status = route.status_code or 200
        self._field = route.response_field

    @classmethod
    def of(cls, route: APIRoute) -> Self | None:
        """The plan of a route; None for one that needs more than a plan knows."""
        is_json = route.response_field is not None and isinstance(route.response_class, DefaultPlaceholder)
        answered = is_json or route.status_code == _NO_CONTENT
        return cls(route) if answered and all(map(_is_plain, _tree(route.dependant))) else None

    async def answer(self, request: Request) -> Response:
        """Call the route; RequestValidationError for what cannot be read, MalformedBody for a body that is no JSON."""
        body = await _body_of(request) if self._body else PydanticUndefined
        said = _Said()
        results: list[Any] = []
        errors: list[Any] = []
        failed: set[int] = set()
        for number, step in enumerate(self._steps):
            arguments = {name: results[index] for name, index in step.given}
            if step.request is not None:
                arguments[step.request] = request
            if step.response is not None:
                arguments[step.response] = said
            found = await self._read(step, request, body, arguments) if step.reads else ()
            errors.extend(found)
            last = number + 1 == len(self._steps)
            if found or (errors and (last or not failed.isdisjoint(step.needs))):
                failed.add(number)
                results.append(None)
            else:
                results.append(await step.call(**arguments))
        if errors:
            raise RequestValidationError(errors, body=None if body is PydanticUndefined else body)
        return self._rendered(results[-1], said)

    async def _read(self, step: _Step, request: Request, body: Any, arguments: dict[str, Any]) -> list[Any]:
        """Add what a step reads to its arguments; what was wrong with it."""
        errors: list[Any] = []
        for fields, source in ((step.path, "path_params"), (step.query, "query_params"), (step.headers, "headers")):
            if fields:
                values, wrong = request_params_to_args(fields, getattr(request, source))
                arguments.update(values)
                errors += wrong
        if step.body:
            values, wrong = await request_body_to_args(step.body, body, embed_body_fields=self._embed)
            arguments.update(values)
            errors += wrong
        return errors

    def _rendered(self, value: Any, said: Response) -> Response:
        if isinstance(value, Response):
            return value
        status = said.status_code or self._status
        if self._field is None or status == _NO_CONTENT:
            response = Response(status_code=status)
        else:
            checked, errors = self._field.validate(value, {}, loc=("response",))
            if errors:
                raise ResponseValidationError(errors)
            content = self._field.serialize_json(checked)
            response = Response(content, status_code=status, media_type="application/json")
        response.raw_headers.extend(said.raw_headers)
        return response

    def _add(self, dependant: Dependant, known: dict[Callable[..., Any], int]) -> int:
        """Add the steps of a tree, each dependency before what needs it and once; the number of its last."""
        numbers = [(each.name, self._once(each, known)) for each in dependant.dependencies]
        assert dependant.call is not None
        self._steps.append(
            _Step(
                call=dependant.call,
                given=[(name, number) for name, number in numbers if name is not None],
                needs=[number for _, number in numbers],
                request=dependant.request_param_name or dependant.http_connection_param_name,
                response=dependant.response_param_name,
                path=dependant.path_params,
                query=dependant.query_params,
                headers=dependant.header_params,
                body=dependant.body_params,
            )
        )
        return len(self._steps) - 1

    def _once(self, dependant: Dependant, known: dict[Callable[..., Any], int]) -> int:
        assert dependant.call is not None
        if not dependant.use_cache or dependant.call not in known:
            known[dependant.call] = self._add(dependant, known)
        return known[dependant.call]


def _tree(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for dependency in dependant.dependencies:
        yield from _tree(dependency)


def _is_plain(dependant: Dependant) -> bool:
    return (
        inspect.iscoroutinefunction(dependant.call)
        and not dependant.cookie_params
        and dependant.websocket_param_name is None
        and dependant.background_tasks_param_name is None
        and dependant.security_scopes_param_name is None
        and dependant.concurrency is None
    )


async def _body_of(request: Request) -> Any:
    """The body: read as JSON where it is declared as that, else as it is; undefined where there is none."""
    try:
        body = await request.body()
        if not body:
            return PydanticUndefined
        return await request.json() if declares_json(request) else body
    except HTTPException:
        raise
    except Exception as error:
        raise MalformedBody from error


def declares_json(request: Request) -> bool:
    """Whether a request says that its body is JSON."""
    declared = request.headers.get("content-type", "")
    if declared == "application/json":
        return True
    message = Message()
    message["content-type"] = declared
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))
