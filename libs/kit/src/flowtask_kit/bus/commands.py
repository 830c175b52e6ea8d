"""Asking another service."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
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
from flowtask_kit.ids import uuid_of

log = logs.get(__name__)

T = TypeVar("T", bound=Contract)

RETRY_AFTER = 5
"""Seconds a caller is told to wait when a service does not answer."""


def command_id(workspace_id: UUID, idempotency_key: str, taken_at: datetime) -> UUID:
    """The id of the command that a workspace's Idempotency-Key stands for since it was taken.

    A key that is taken anew, when it no longer counts, stands for another command.
    """
    moment = taken_at.astimezone(UTC).isoformat(timespec="microseconds").encode()
    return uuid_of(hashlib.sha256(workspace_id.bytes + moment + idempotency_key.encode()).digest())


@dataclass(frozen=True)
class Changed(Generic[T]):
    """The answer to a command; `replayed` where it is the one that the command got the first time."""

    data: T
    replayed: bool


class Commands:
    """Sends commands and turns replies into answers or the errors of the shared tree.

    A command is waited for `patience` times its deadline.
    """

    def __init__(self, bus: Bus, *, patience: float = 1.0) -> None:
        self._bus = bus
        self._patience = patience

    async def ask(self, command: Command, answer: type[T]) -> T:
        """The other service's answer.

        Raises what that service refused with, and ServiceUnavailable when it does not answer within the command's
        deadline times our patience, NATS is away or the answer makes no sense. Whether such a command took effect is
        unknown: repeat it with its id.
        """
        return (await self.change(command, answer)).data

    async def change(self, command: Command, answer: type[T]) -> Changed[T]:
        """The same, and whether the answer was given before."""
        with traces.tracer().start_as_current_span(command.bus_subject(), kind=SpanKind.CLIENT):
            reply = await self._request(command)
        if reply.error is not None:
            raise error_from(reply.error)
        try:
            return Changed(answer.model_validate(reply.data), reply.replayed)
        except ValidationError as error:  # the other side speaks another version
            raise _not_understood(command, error) from error

    async def _request(self, command: Command) -> Reply:
        if self._bus.away:
            raise ServiceUnavailable(retry_after=RETRY_AFTER)
        try:
            message = await self._bus.broker.request(
                command.model_dump_json(by_alias=True, exclude_unset=True).encode(),
                command.bus_subject(),
                headers=traces.inject({}),
                timeout=command.deadline * self._patience,
            )
            return Reply.model_validate_json(message.body)
        except nats.errors.NoRespondersError as error:  # its service is not there, or not there yet
            log.info("nobody answers", command=command.bus_subject())
            raise ServiceUnavailable(retry_after=RETRY_AFTER) from error
        except (nats.errors.Error, IncorrectState, OSError, TimeoutError) as error:
            log.warning("command not answered", command=command.bus_subject(), error=repr(error))
            raise ServiceUnavailable(retry_after=RETRY_AFTER) from error
        except ValidationError as error:
            raise _not_understood(command, error) from error


def _not_understood(command: Command, error: ValidationError) -> ServiceUnavailable:
    log.error("reply not understood", command=command.bus_subject(), exc_info=error)
    return ServiceUnavailable(retry_after=RETRY_AFTER)
