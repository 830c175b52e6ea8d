"""What takes a mail to its recipient, behind one narrow interface."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Message:
    """A mail as it leaves. Its id is the key by which a provider knows a repeat, whose bytes are the same."""

    id: UUID
    sender: str
    to: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class Accepted:
    """The transport has it; `provider_id` is the name it gave the mail, if any."""

    provider_id: str | None = None


@dataclass(frozen=True)
class Refused:
    """The transport will never take it."""

    reason: str


@dataclass(frozen=True)
class Failed:
    """The transport could not take it now; `wait` is how long it asked us to wait."""

    reason: str
    wait: timedelta = timedelta()


Outcome = Accepted | Refused | Failed


class Transport(Protocol):
    """Takes mails. `name` is what the log of mails calls it."""

    name: str

    async def send(self, message: Message) -> Outcome:
        """What became of it; an exception counts as Failed."""
