"""Tokens of `/sync`: where a client stands in the order of changes.

Changes are ordered by the number of the transaction that made them, which is drawn before it commits: a transaction with
a smaller number may commit later. What is below the snapshot's xmin is settled, so that is where the next round begins;
what was seen beyond it comes once more.
"""

import base64
import struct
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self
from uuid import UUID

from flowtask_contracts.errors import ErrorDetail, ValidationFailed

_FORM = struct.Struct(">B16sQIIQ16sQQ")
_VERSION = 1
_START = UUID(int=0)


@dataclass(frozen=True)
class Cluster:
    """Which history the numbers belong to: after a restore or a failover they may mean other transactions."""

    system: int
    timeline: int


@dataclass(frozen=True)
class Token:
    """A place in the order of changes of one workspace.

    `at` and `after` are the number and the id of the last change that was read. `resume` is where the next round begins,
    0 while everything that was read is settled. Deletions below `buried_from` are of no interest: the round began with
    everything there was, later. `begun` is when the round began.
    """

    workspace_id: UUID
    cluster: Cluster
    begun: datetime
    at: int = 0
    after: UUID = _START
    resume: int = 0
    buried_from: int = 0

    def read_up_to(self, at: int, after: UUID, horizon: int) -> Self:
        """The place after a page that was read when everything below `horizon` was settled."""
        resume = self.resume or (horizon if at >= horizon else 0)
        return replace(self, at=at, after=after, resume=resume)

    def next_round(self, horizon: int) -> Self:
        """Where to begin when this round has come to its end."""
        return replace(self, at=self.resume or horizon, after=_START, resume=0, buried_from=0)

    def encoded(self) -> str:
        """The opaque form that clients keep."""
        raw = _FORM.pack(
            _VERSION,
            self.workspace_id.bytes,
            self.cluster.system,
            self.cluster.timeline,
            int(self.begun.timestamp()),
            self.at,
            self.after.bytes,
            self.resume,
            self.buried_from,
        )
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    @classmethod
    def decoded(cls, text: str, workspace_id: UUID) -> Self:
        """The token of a workspace; ValidationFailed for what we did not make, or made for another workspace."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            version, workspace, system, timeline, begun, at, after, resume, buried_from = _FORM.unpack(raw)
        except (ValueError, struct.error):
            raise _unknown() from None
        if version != _VERSION or workspace != workspace_id.bytes or max(at, resume, buried_from) >= 1 << 63:
            raise _unknown()
        return cls(
            workspace_id,
            Cluster(system, timeline),
            datetime.fromtimestamp(begun, UTC),
            at,
            UUID(bytes=after),
            resume,
            buried_from,
        )


def _unknown() -> ValidationFailed:
    return ValidationFailed(details=[ErrorDetail(field="token", message="is not a token of this workspace")])
