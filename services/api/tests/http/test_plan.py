"""A route's plan and the framework's solver answer alike, whatever is sent."""

from typing import Annotated
from uuid import UUID

import httpx2 as httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from flowtask_api.http.plan import Plan
from flowtask_kit.http.shelled import Shelled


class Asked(BaseModel):
    model_config = {"extra": "forbid"}

    page: int = Field(default=1, ge=1)
    tags: list[str] = []


class Sent(BaseModel):
    title: str = Field(min_length=1)
    count: int = 0


class Told(BaseModel):
    said: list[str]


calls: list[str] = []


async def token(x_token: Annotated[int, Header()]) -> int:
    calls.append("token")
    return x_token


async def twice(value: Annotated[int, Depends(token)], request: Request) -> str:
    calls.append("twice")
    return f"{request.method} {value}"


async def generated():
    yield "generated"


def routes(route_class: type[APIRoute]) -> APIRouter:
    router = APIRouter(route_class=route_class)

    @router.get("/read/{item}")
    async def read(
        item: UUID, asked: Annotated[Asked, Query()], who: Annotated[str, Depends(twice)], response: Response
    ) -> Told:
        response.headers["x-said"] = who
        response.status_code = 203 if asked.page == 203 else None
        return Told(said=[str(item), who, *asked.tags])

    @router.post("/write", status_code=201, dependencies=[Depends(twice)])
    async def write(body: Sent, value: Annotated[int, Depends(token)]) -> Told:
        return Told(said=[body.title * value])

    @router.delete("/gone/{item}", status_code=204, response_class=Response)
    async def gone(item: int, response: Response) -> None:
        response.headers["x-said"] = str(item)

    @router.post("/raw")
    async def raw(body: Sent, response: Response) -> Told:
        response.headers["x-said"] = body.title
        return Response("as it is", status_code=202)  # type: ignore[return-value]

    return router


class Planned(APIRoute):
    """A route that is answered by its plan."""

    def get_route_handler(self):
        plan = Plan.of(self)
        assert plan is not None
        return plan.answer


def client(route_class: type[APIRoute]) -> httpx.AsyncClient:
    app: FastAPI = Shelled(openapi_url=None)
    app.router.routes.extend(routes(route_class).routes)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api")


ITEM = f"/read/{UUID(int=7)}"
JSON = {"content-type": "application/json"}
REQUESTS = [
    ("GET", ITEM, {"x-token": "3"}, None),
    ("GET", f"{ITEM}?page=2&tags=a&tags=b", {"x-token": "3"}, None),
    ("GET", f"{ITEM}?page=203", {"x-token": "3"}, None),
    ("GET", f"{ITEM}?page=0&nothing=1", {"x-token": "x"}, None),
    ("GET", ITEM, {}, None),
    ("GET", "/read/7?page=x", {}, None),
    ("POST", "/write", JSON | {"x-token": "2"}, b'{"title": "ab"}'),
    ("POST", "/write", {"content-type": "application/merge+json; charset=utf-8", "x-token": "2"}, b'{"title": "ab"}'),
    ("POST", "/write", JSON | {"x-token": "2"}, b'{"title": "", "count": "x"}'),
    ("POST", "/write", JSON | {"x-token": "2"}, b'{"title": '),
    ("POST", "/write", JSON | {"x-token": "2"}, b"[]"),
    ("POST", "/write", JSON | {"x-token": "2"}, b"null"),
    ("POST", "/write", JSON | {"x-token": "2"}, b""),
    ("POST", "/write", {"x-token": "2"}, b'{"title": "ab"}'),
    ("POST", "/write", {"content-type": "text/plain", "x-token": "2"}, b'{"title": "ab"}'),
    ("DELETE", "/gone/3", {}, None),
    ("DELETE", "/gone/x", {}, None),
    ("POST", "/raw", JSON, b'{"title": "ab"}'),
]


@pytest.mark.parametrize("number", range(len(REQUESTS)))
async def test_both_ways_answer_alike_and_make_the_same_calls(number):
    method, path, headers, content = REQUESTS[number]
    answers = []
    for route_class in (APIRoute, Planned):
        calls.clear()
        async with client(route_class) as http:
            answer = await http.request(method, path, headers=headers, content=content)
        told = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
        answers.append((answer.status_code, answer.content, told, list(calls)))
    assert answers[0] == answers[1]


def test_what_a_plan_does_not_know_has_none():
    router = APIRouter()

    @router.get("/generated")
    async def with_generator(value: Annotated[str, Depends(generated)]) -> Told:
        return Told(said=[value])

    @router.get("/thread")
    def in_a_thread() -> Told:
        return Told(said=[])

    @router.get("/free")
    async def free() -> Response:
        return Response("x")

    assert [Plan.of(route) for route in router.routes if isinstance(route, APIRoute)] == [None, None, None]
