"""The description of the API over HTTP, and the pages for people; open to everybody."""

import asyncio

from fastapi import APIRouter, Request, Response

from flowtask_contracts.errors import NotFound

from . import pages
from .service import Documentation

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The description in OpenAPI 3.1."""
    return await (await asyncio.to_thread(_documentation(request).openapi)).answer(request)


@router.get("/openapi-3.0.json")
async def openapi_3_0(request: Request) -> Response:
    """The description in OpenAPI 3.0.3."""
    return await (await asyncio.to_thread(_documentation(request).openapi_3_0)).answer(request)


@router.get("/docs")
async def index(request: Request) -> Response:
    """What there is to read."""
    return await (await asyncio.to_thread(_documentation(request).page, "index")).answer(request)


@router.get("/docs/api")
async def reference(request: Request) -> Response:
    """Every operation, to be tried out."""
    return await (await asyncio.to_thread(_documentation(request).page, "api")).answer(request)


@router.get("/docs/webhooks")
async def webhooks(request: Request) -> Response:
    """How to receive webhooks."""
    return await (await asyncio.to_thread(_documentation(request).page, "webhooks")).answer(request)


@router.get("/docs/assets/{digest}/{name}")
async def asset(request: Request, digest: str, name: str) -> Response:
    """A file that the pages load."""
    file = (await asyncio.to_thread(pages.assets)).get(name)
    if file is None or file.digest != digest:
        raise NotFound
    return await file.answer(request)


def _documentation(request: Request) -> Documentation:
    documentation: Documentation = request.app.state.documentation
    return documentation
