"""Asking another service."""

import hashlib
from typing import TypeVar
from uuid import UUID

import nats.errors
from faststream.exceptions import IncorrectState
from opentelemetry.trace import SpanKind
from pydantic import ValidationError

from flowtask_contracts.base import Contract
from flowtask_contracts.commands import Command, Reply
from flowtask_contracts.errors import ServiceUnavailable, error_from
from flowtask_kit import logs, traces
from flowtask_kit.bus.connection import Bus
from flowtask_kit.ids import new_id, uuid_of

log = logs.get(__name__)

T = TypeVar("T", bound=Contract)

RETRY_AFTER = 5
"""Seconds a caller is told to wait when a service does not answer."""


def command_id(workspace_id: UUID, idempotency_key: str | None) -> UUID:
    """The id of a command: the same for the same workspace and Idempotency-Key, fresh without a key."""
    if idempotency_key is None:
        return new_id()
    digest = hashlib.sha256(workspace_id.bytes + idempotency_key.encode()).digest()
    return uuid_of(digest)


class Commands:
    """Sends commands and turns replies into answers or the errors of the shared tree."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def ask(self, command: Command, answer: type[T]) -> T:
        """The other service's answer.

        Raises what that service refused with, and ServiceUnavailable when it does not answer within the command's
        deadline or NATS is away. Whether a command that got no answer took effect is unknown: repeat it with its id.
        """
        with traces.tracer().start_as_current_span(command.bus_subject(), kind=SpanKind.CLIENT):
            reply = await self._request(command)
        if reply.error is not None:
            raise error_from(reply.error)
        return answer.model_validate(reply.data)

    async def _request(self, command: Command) -> Reply:
        if self._bus.away:
            raise ServiceUnavailable(retry_after=RETRY_AFTER)
        try:
            message = await self._bus.broker.request(
                command.model_dump_json(by_alias=True, exclude_unset=True).encode(),
                command.bus_subject(),
                headers=traces.inject({}),
                timeout=command.deadline,
            )
            return Reply.model_validate_json(message.body)
        except nats.errors.NoRespondersError as error:  # its service is not there, or not there yet
            log.info("nobody answers", command=command.bus_subject())
            raise ServiceUnavailable(retry_after=RETRY_AFTER) from error
        except (nats.errors.Error, IncorrectState, OSError, TimeoutError) as error:
            log.warning("command not answered", command=command.bus_subject(), error=repr(error))
            raise ServiceUnavailable(retry_after=RETRY_AFTER) from error
        except ValidationError as error:
            log.exception("reply not understood", command=command.bus_subject())
            raise ServiceUnavailable(retry_after=RETRY_AFTER) from error
