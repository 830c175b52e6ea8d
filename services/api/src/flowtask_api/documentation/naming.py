"""Names as the API shows them, made from those of the code."""

import re

from fastapi.routing import APIRoute

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


def camel(name: str) -> str:
    """`list_tasks` as `listTasks`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def camel_path(path: str) -> str:
    """A path with its parameters in camelCase."""
    return _PARAMETER.sub(lambda found: "{" + camel(found[1]) + "}", path)


def operation_id(route: APIRoute) -> str:
    """The name of the function; the PATCH beside a PUT that one function serves is told from it by its first word."""
    name = route.name
    if route.methods == {"PATCH"}:
        name = re.sub(r"^(update|change)_", "patch_", name)
    return camel(name)
