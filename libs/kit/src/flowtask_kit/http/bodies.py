"""Reading what a stranger sends: no more than the limit, and on for a moment after a refusal."""

import asyncio
from contextlib import suppress
from http import HTTPStatus

from fastapi import HTTPException
from starlette.types import Message, Receive

from flowtask_kit.http.policy import MAX_BODY_BYTES

DISCARDED_BYTES = 8 * MAX_BODY_BYTES
DISCARD_SECONDS = 1.0


class BodyTooLarge(HTTPException):
    """More bytes came than this server reads; an HTTPException, which the framework lets through while it reads."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, headers={"Connection": "close"})


class LimitedBody:
    """A receive that counts body bytes; `awaited` is true while somebody waits for more of the body.

    One whose `declared` length is above the limit is refused when it is asked for, so that the answer is the caller's own.
    """

    __slots__ = ("_complete", "_declared", "_left", "_receive", "awaited")

    def __init__(self, receive: Receive, limit: int, *, declared: int) -> None:
        self._receive = receive
        self._left = limit
        self._declared = declared
        self._complete = False
        self.awaited = False

    async def __call__(self) -> Message:
        """The next message; BodyTooLarge when it is one byte too many."""
        if self._declared > self._left and not self._complete:
            await discard(self._receive)
            raise BodyTooLarge
        self._declared = 0
        self.awaited = not self._complete
        message = await self._receive()
        self.awaited = False
        if message["type"] == "http.request":
            self._complete = not message.get("more_body", False)
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                if not self._complete:
                    await discard(self._receive)
                raise BodyTooLarge
        return message


async def discard(receive: Receive) -> None:
    """Read on for a moment: a client that is still sending when the server hangs up never sees the refusal."""
    left = DISCARDED_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return
