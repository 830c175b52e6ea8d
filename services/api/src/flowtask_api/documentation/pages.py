"""The pages for people, put together once from files beside this module; they load nothing from elsewhere."""

import json
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from flowtask_contracts.events import PUBLIC, TaskCompleted
from flowtask_contracts.resources import Task

from .examples import MOMENT, Examples, id_of
from .files import FOR_EVER, File

_HERE = files(__package__)
_SWAGGER_UI = files("fastapi_standalone_docs") / "static" / "swagger"
_TYPES = {"css": "text/css", "js": "text/javascript", "html": "text/html", "txt": "text/plain"}
_BARE = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_SCRIPTED = f"{_BARE}; script-src 'self'; connect-src 'self'; style-src-attr 'unsafe-inline'"
"""Swagger UI sets styles of single elements; it can load no sheet, and run no script, that is not of this origin."""

_SAMPLES = (
    "verify.py",
    "verify.mjs",
    "verify.go",
    "verify.sh",
    "verify_body.py",
    "verify_ed25519.py",
    "verify_ed25519.mjs",
)


@cache
def assets() -> Mapping[str, File]:
    """The files that pages load, by name; the address of each holds the digest of its content."""
    sources = {
        "style.css": _HERE / "pages" / "style.css",
        "try.css": _HERE / "pages" / "try.css",
        "try.js": _HERE / "pages" / "try.js",
        "swagger-ui.css": _SWAGGER_UI / "swagger-ui.css",
        "swagger-ui.js": _SWAGGER_UI / "swagger-ui-bundle.js",
        "swagger-ui-license.txt": _SWAGGER_UI / "LICENSE",
    }
    return {
        name: File(source.read_bytes(), _TYPES[name.rpartition(".")[2]], cache=FOR_EVER)
        for name, source in sources.items()
    }


def address(name: str) -> str:
    """Where an asset is."""
    return f"/docs/assets/{assets()[name].digest}/{name}"


def page(name: str, api: str) -> File:
    """A page: `index`, `api` or `webhooks`; `api` is the URL that its commands call."""
    styles = ["swagger-ui.css", "style.css", "try.css"] if name == "api" else ["style.css"]
    scripts = ["swagger-ui.js", "try.js"] if name == "api" else []
    head = [f'<link rel="stylesheet" href="{address(style)}">' for style in styles]
    head += [f'<script src="{address(script)}" defer></script>' for script in scripts]
    facts = {"api": escape(api)} | (_webhook_facts() if name == "webhooks" else {})
    html = _template("frame").substitute(
        title={"index": "FlowTask for developers", "api": "FlowTask API", "webhooks": "FlowTask webhooks"}[name],
        head="\n".join(['<link rel="icon" href="data:,">', *head]),
        main=_template(name).substitute(facts),
        footer=_credit() if name == "api" else "",
    )
    return File(html.encode(), _TYPES["html"], policy=_SCRIPTED if name == "api" else _BARE)


def _template(name: str) -> Template:
    return Template((_HERE / "pages" / f"{name}.html").read_text())


def _credit() -> str:
    return f'Shown by Swagger UI (<a href="{address("swagger-ui-license.txt")}">Apache-2.0</a>).'


def _webhook_facts() -> dict[str, str]:
    events = "\n".join(f"<tr><td><code>{event.type}</code></td><td>{_sentence(event)}</td></tr>" for event in PUBLIC)
    samples = {name.replace(".", "_"): escape((_HERE / "samples" / name).read_text().rstrip()) for name in _SAMPLES}
    return {"events": events, "request": escape(_request()), **samples}


def _sentence(event: type[Any]) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(" ".join(str(event.__doc__).split())))


def _request() -> str:
    """A request as the dispatcher sends it, its body laid out for reading."""
    schema = Task.model_json_schema(mode="serialization")
    body = {
        "event": TaskCompleted.type,
        "data": {**Examples(schema["$defs"]).of(schema, owner="Task"), "status": "DONE", "completedAt": MOMENT},
        "timestamp": MOMENT,
        "id": id_of("event"),
        "workspaceId": id_of("workspace"),
        "deliveryId": id_of("delivery"),
    }
    head = {
        "Content-Type": "application/json",
        "X-FlowTask-Event": TaskCompleted.type,
        "X-FlowTask-Delivery": id_of("delivery"),
        "X-FlowTask-Signature": "sha256=" + 16 * "5eed",
        "webhook-id": id_of("event"),
        "webhook-timestamp": "1795341601",
        "webhook-signature": "v1," + 10 * "5eed" + "AAA=",
    }
    lines = ["POST /hooks/flowtask HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), ""]
    return "\n".join([*lines, json.dumps(body, indent=2)])
