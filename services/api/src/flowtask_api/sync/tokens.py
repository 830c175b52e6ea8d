"""Tokens of `/sync`: where a client stands in the order of changes.

Changes are ordered by the number of the transaction that made them, which is drawn before it commits: a transaction with
a smaller number may commit later. What is below the snapshot's xmin is settled, so that is where the next round begins;
what was seen beyond it comes once more.

Numbers count the writes of all tenants, so tokens are sealed: AES-SIV (RFC 5297) under a key of the service, with a nonce, and
bound to the workspace.
"""

import base64
import secrets
import struct
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from flowtask_contracts.errors import ErrorDetail, ValidationFailed

_FORM = struct.Struct(">QIIIIQ16sQQ")
_VERSION = b"\x02"
_NONCE = 12
_START = UUID(int=0)
_NEVER = datetime.fromtimestamp(0, UTC)

_UNSEALED = b"\x01"
_UNSEALED_BYTES = 73
"""What tokens were before they were sealed: the version, the workspace, and numbers that count no more."""

TOLD_FOR = timedelta(days=90)
"""How long deletions are told; a token whose round began longer ago than that begins anew."""


@dataclass(frozen=True)
class History:
    """Which history the numbers belong to: after a restore or a failover they may mean other transactions.

    A restore into the same server makes another table.
    """

    system: int
    timeline: int
    table: int


@dataclass(frozen=True)
class Token:
    """A place in the order of changes of one workspace.

    `at` and `after` are the number and the id of the last change that was read. `resume` is where the next round begins,
    0 while everything that was read is settled, and `settled` when that was found out. Deletions below `buried_from` are of
    no interest: the round began with everything there was, later. `begun` is when everything before the beginning of the
    round was settled: deletions since then are needed.
    """

    workspace_id: UUID
    history: History
    begun: datetime
    at: int = 0
    after: UUID = _START
    resume: int = 0
    settled: datetime = _NEVER
    buried_from: int = 0

    def counts(self, history: History, newest: int, now: datetime) -> bool:
        """Whether one can go on here: deletions since `begun` are still told, and no number above `newest` was reached.

        Within a round there may be larger ones: rows of a restored table have numbers of another history.
        """
        begins = self.resume or self.at
        return self.history == history and begins <= newest and self.begun > now - TOLD_FOR

    def read_up_to(self, at: int, after: UUID, horizon: int, now: datetime) -> Self:
        """The place after a page that was read now, when everything below `horizon` was settled."""
        if self.resume or at < horizon:
            return replace(self, at=at, after=after)
        return replace(self, at=at, after=after, resume=horizon, settled=now)

    def next_round(self, horizon: int, now: datetime) -> Self:
        """Where to begin when this round has come to its end, now."""
        at, begun = (self.resume, self.settled) if self.resume else (horizon, now)
        return type(self)(self.workspace_id, self.history, begun, at)

    def sealed(self, key: bytes) -> str:
        """The opaque form that clients keep."""
        raw = _FORM.pack(
            self.history.system,
            self.history.timeline,
            self.history.table,
            int(self.begun.timestamp()),
            int(self.settled.timestamp()),
            self.at,
            self.after.bytes,
            self.resume,
            self.buried_from,
        )
        nonce = secrets.token_bytes(_NONCE)
        box = AESSIV(key).encrypt(raw, [_VERSION, self.workspace_id.bytes, nonce])
        return base64.urlsafe_b64encode(_VERSION + nonce + box).rstrip(b"=").decode()

    @classmethod
    def opened(cls, text: str, workspace_id: UUID, key: bytes) -> Self | None:
        """The token of a workspace, None for one from before tokens were sealed.

        ValidationFailed for what we did not make, or made for another workspace.
        """
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise _unknown() from None
        if raw.startswith(_UNSEALED + workspace_id.bytes) and len(raw) == _UNSEALED_BYTES:
            return None
        nonce, box = raw[1 : 1 + _NONCE], raw[1 + _NONCE :]
        try:
            fields = _FORM.unpack(AESSIV(key).decrypt(box, [raw[:1], workspace_id.bytes, nonce]))
        except (ValueError, InvalidTag):
            raise _unknown() from None
        system, timeline, table, begun, settled, at, after, resume, buried_from = fields
        return cls(
            workspace_id,
            History(system, timeline, table),
            datetime.fromtimestamp(begun, UTC),
            at,
            UUID(bytes=after),
            resume,
            datetime.fromtimestamp(settled, UTC),
            buried_from,
        )


def _unknown() -> ValidationFailed:
    return ValidationFailed(details=[ErrorDetail(field="token", message="is not a token of this workspace")])
