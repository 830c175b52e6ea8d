"""Commands and their replies over NATS request/reply."""

import operator
from typing import ClassVar
from uuid import UUID

from pydantic import Field, JsonValue

from flowtask_contracts.base import Contract
from flowtask_contracts.errors import ErrorBody


class Command(Contract):
    """A request to the service that owns the data.

    A command that `changes` something carries a `command_id`: the owner answers a repeat of the id with the first
    reply. `answer` is the model of a successful reply; `concealed` names its fields that are shown once and never
    stored. `deadline` is in seconds.
    """

    service: ClassVar[str]
    verb: ClassVar[str]
    answer: ClassVar[type[Contract]]
    changes: ClassVar[bool] = False
    concealed: ClassVar[frozenset[str]] = frozenset()
    deadline: ClassVar[float] = 5.0

    command_id: UUID | None = None

    @classmethod
    def bus_subject(cls) -> str:
        """The NATS subject: `commands.<service>.<verb>`."""
        return f"commands.{cls.service}.{cls.verb}"


class WorkspaceCommand(Command):
    """A command on behalf of one tenant, which it never reaches beyond."""

    workspace_id: UUID


class Reply(Contract):
    """The answer of a command: data or an error, never both; `replayed` says that it is the one given the first time."""

    data: JsonValue = None
    error: ErrorBody | None = None
    replayed: bool = Field(default=False, exclude_if=operator.not_)
