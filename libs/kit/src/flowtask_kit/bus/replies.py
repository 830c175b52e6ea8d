"""How much a reply may say: lists end early, before they are too large for the bus."""

from collections.abc import Iterable
from typing import TypeVar

from flowtask_contracts.base import Contract

REPLY_BYTES = 512 * 1024
"""What a reply stays under."""

V = TypeVar("V", bound=Contract)


def fitting(views: Iterable[V], room: int) -> list[V]:
    """The first of these, as many as take `room` bytes of JSON, and one at least where there is any."""
    shown: list[V] = []
    for view in views:
        room -= len(view.model_dump_json(by_alias=True).encode())
        if shown and room < 0:
            break
        shown.append(view)
    return shown
