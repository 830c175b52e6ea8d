"""Each operation as a command for the shell."""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .operations import Operation

URL = "https://flowtask.app/api/v1"


def sample(operation: "Operation") -> str:
    """A curl command that does it, with the key in $FLOWTASK_API_KEY and the example's ids and body."""
    path = operation.path.removeprefix("/api/v1")
    for parameter in operation.document.get("parameters", ()):
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", parameter["example"])
    begin = f"curl {URL}{path}"
    if operation.method not in {"GET", "POST"} or (operation.method == "POST" and not _body(operation)):
        begin = f"curl -X {operation.method} {URL}{path}"
    lines = [begin, '-H "Authorization: Bearer $FLOWTASK_API_KEY"']
    body = _body(operation)
    if body is not None:
        lines += ["-H 'Content-Type: application/json'", "-d '" + body.replace("'", "'\\''") + "'"]
    return " \\\n  ".join(lines)


def _body(operation: "Operation") -> str | None:
    content = operation.document.get("requestBody", {}).get("content", {}).get("application/json")
    return None if content is None else json.dumps(content["example"], ensure_ascii=False)
