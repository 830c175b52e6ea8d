"""The notes service over HTTP; `python -m notes.app serve` runs it as a process."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from flowtask_contracts import errors
from flowtask_contracts.base import Input, Text
from flowtask_kit.http.envelope import Envelope
from flowtask_kit.service.app import create_service
from flowtask_kit.service.cli import parser_of, read_settings, run
from flowtask_kit.service.resources import Resources
from flowtask_kit.settings import ServiceSettings

from .contracts import NOTES, Note
from .database import MIGRATIONS

NOTE = Note(id=UUID(int=7), text="seven")


class Place(Input):
    body: int


class NewNote(Input):
    text: Text = Field(min_length=1, max_length=10)
    comment: Text | None = None
    path: Place | None = None


ROUTES = APIRouter()


@ROUTES.get("/notes/{note_id}")
async def read(note_id: UUID, page: int = 1) -> Envelope[Note]:
    return Envelope(data=NOTE.model_copy(update={"id": note_id, "text": str(page)}))


@ROUTES.post("/notes")
async def write(new: NewNote) -> Envelope[Note]:
    return Envelope(data=NOTE.model_copy(update={"text": new.text}))


@ROUTES.post("/raw")
async def raw(request: Request) -> int:
    return len(await request.body())


@ROUTES.get("/refuse/{name}")
async def refuse(name: str, retry_after: int | None = None) -> None:
    raise getattr(errors, name)(retry_after=retry_after)


@ROUTES.get("/status/{status}")
async def status(status: int) -> None:
    raise HTTPException(status, "the inside")


@ROUTES.get("/fail")
async def fail() -> None:
    raise RuntimeError("hunter2")


@ROUTES.get("/outage")
async def outage() -> None:
    raise asyncpg.CannotConnectNowError("hunter2")


@ROUTES.get("/slow")
async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slow"


@ROUTES.get("/stream")
async def stream(pieces: int, *, fails: bool = False) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for number in range(pieces):
            yield f"{number}\n"
            await asyncio.sleep(0.02)
        if fails:
            raise RuntimeError("hunter2")

    return StreamingResponse(lines(), media_type="text/plain")


def create_app(settings: ServiceSettings, *, needs_bus: bool = False) -> FastAPI:
    app = create_service(Resources.create(NOTES, settings), MIGRATIONS, needs_bus=needs_bus, openapi_url=None)
    app.include_router(ROUTES)
    return app


def main() -> None:
    parser, _ = parser_of("notes", "Notes, for tests.")
    run(parser.parse_args().command, read_settings(ServiceSettings), MIGRATIONS, "notes.app:create_app")


if __name__ == "__main__":
    main()
