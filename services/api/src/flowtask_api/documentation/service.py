"""What is served about the API, made when it is first asked for and kept."""

import json
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from . import pages
from .downgrade import to_openapi_3_0
from .files import File
from .openapi import PREFIX, PRODUCTION, Document, document


class Documentation:
    """The documents of one app. Making one takes a quarter of a second, so ask from a thread."""

    def __init__(self, routes: Sequence[Any], public_url: str | None) -> None:
        self.document = cache(partial(_document, routes, public_url))
        self.openapi = cache(lambda: _json(self.document()))
        self.openapi_3_0 = cache(lambda: _json(to_openapi_3_0(self.document())))
        api = public_url.rstrip("/") + PREFIX if public_url else PRODUCTION
        self.page = cache(partial(pages.page, api=api))


def _document(routes: Sequence[Any], public_url: str | None) -> Document:
    return document(routes, public_url)[0]


def _json(value: Document) -> File:
    return File(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), "application/json")
