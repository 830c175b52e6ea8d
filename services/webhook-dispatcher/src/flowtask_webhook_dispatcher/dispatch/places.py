"""In whose order an event goes."""

import hashlib

from flowtask_contracts.commands.webhooks import Ordering

from .payload import PublicEvent
from .work import Place

_LONGEST = 200
"""Characters of a key: longer ones, which are none of ours, would not fit into an index."""


def place_of(ordering: Ordering, event: PublicEvent) -> Place:
    """The place of an event at an endpoint that is ordered.

    Whatever the ordering, events of one resource go one after another: so a task that changes its project is in order, too. Those
    of a project are its own and those whose `data` name it by `projectId`. An event of nothing waits for nobody.
    """
    resource = event.resource_id
    if not resource:
        return Place(str(event.id), None)
    if ordering is not Ordering.PROJECT:
        return Place(_short(resource), None)
    data = event.document.get("data")
    project = data.get("projectId") if isinstance(data, dict) else None
    return Place(_short(resource), _short(project if isinstance(project, str) and project else resource))


def _short(key: str) -> str:
    """The key, or what stands for it."""
    printable = key if key.isprintable() else repr(key)
    return printable if len(printable) <= _LONGEST else hashlib.sha256(key.encode(errors="replace")).hexdigest()
