"""Endpoints: who wants to hear what, and the state of sending to them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_contracts.commands.webhook_secrets import NoPreviousSecret, OverlapUnderWay
from flowtask_contracts.commands.webhooks import (
    AfterLastTry,
    Circuit,
    DisabledReason,
    Missed,
    Ordering,
    RetryOn,
    RetryPolicy,
    Signature,
)
from flowtask_contracts.commands.webhooks import Endpoint as EndpointView
from flowtask_contracts.webhook_content import MASK, DeliveryMode, PayloadForm

from ..database import Base
from .breaker import MERCY, Breaker
from .content import SETTLING, Forms
from .policy import schedule_of

TOLD = 1
"""`warned` of an endpoint whose owner was told of an earlier failing, and of nothing since."""


class Endpoint(Base):
    """A subscriber. `revision` is the global revision of its last write, by which every replica reloads it.

    A deleted endpoint keeps its row, so that replicas learn of it and history stays readable; its secrets are wiped.

    `secret` signs. While it is being changed `next_secret` signs beside it, and from `next_alone_at` on alone, whether or not
    anybody has moved it by then. Both are bound to the row and not to their column.

    One whose `delivery` is `poll` has no URL, and here an empty one.
    `private_key` is of Ed25519, where the endpoint has one, and gives way to `next_private_key` when `secret` does.

    `headers` are encrypted, too; their names stand beside them to be shown. `payload_before` are the forms of earlier events.
    """

    __tablename__ = "endpoints"
    __table_args__ = (
        Index("ix_endpoints_workspace_id", "workspace_id", "id", postgresql_where=text("deleted_at IS NULL")),
        Index("ix_endpoints_revision", "revision"),
        Index(
            "ix_endpoints_disabled_at",
            "id",
            postgresql_where=text("disabled_at IS NOT NULL AND deleted_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    delivery: Mapped[str] = mapped_column(server_default=text("'push'"))
    url: Mapped[str]
    events: Mapped[list[str]] = mapped_column(JSONB)
    description: Mapped[str | None]
    filter: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    payload: Mapped[str] = mapped_column(server_default=text("'full'"))
    payload_before: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    headers: Mapped[bytes | None] = mapped_column(LargeBinary)
    header_names: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'"))
    remarks: Mapped[dict[str, str]] = mapped_column("metadata", JSONB, server_default=text("'{}'"))
    active: Mapped[bool]
    retry_policy: Mapped[str] = mapped_column(server_default=text("'standard'"))
    retry_schedule: Mapped[list[int] | None] = mapped_column(JSONB(none_as_null=True))
    retry_on: Mapped[str] = mapped_column(server_default=text("'server'"))
    rate_limit: Mapped[int | None]
    rate_period_seconds: Mapped[int] = mapped_column(server_default=text("1"))
    max_concurrency: Mapped[int | None]
    ordering: Mapped[str] = mapped_column(server_default=text("'none'"))
    after_last_try: Mapped[str] = mapped_column(server_default=text("'skip'"))
    ordered_since: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    next_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    next_alone_at: Mapped[datetime | None]
    private_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    next_private_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_by: Mapped[UUID]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(BigInteger)

    def turn(self, *, on: bool) -> None:
        """Have it sent to, or not; who turns it on again does not mind why it was off."""
        self.active = on
        if on:
            self.disabled_at = self.disabled_reason = None

    def disable(self, reason: DisabledReason, now: datetime) -> None:
        """Send nothing more, although its owner has not asked for that."""
        self.active = False
        self.disabled_at, self.disabled_reason, self.updated_at = now, reason.value, now

    @property
    def polled(self) -> bool:
        """Whether its events are fetched, and nothing is sent to it."""
        return self.delivery == DeliveryMode.POLL

    @property
    def forms(self) -> Forms:
        """The form that each event has here."""
        return Forms.of(self.payload, self.payload_before)

    @forms.setter
    def forms(self, forms: Forms) -> None:
        self.payload, self.payload_before = forms.now, [[until, form] for until, form in forms.before]

    def order(self, ordering: Ordering, now: datetime) -> bool:
        """Have it sent to in another order from a little later on, when every replica knows of it.

        Where projects were in order, resources were, too. True where none is kept any more: what waits for others is sent before
        anything goes past it.
        """
        before = Ordering(self.ordering)
        if ordering is before:
            return False
        self.ordering = ordering
        if ordering is Ordering.NONE:
            self.ordered_since = None
            return True
        if (before, ordering) != (Ordering.PROJECT, Ordering.RESOURCE):
            self.ordered_since = now + SETTLING
        return False

    @property
    def newest_secret(self) -> bytes | None:
        """What its owner takes for its secret, encrypted."""
        return self.secret if self.next_secret is None else self.next_secret

    def previous_secret_until(self, now: datetime) -> datetime | None:
        """Until when another secret than the newest one signs, too; None when none does."""
        until = self.next_alone_at
        return until if until is not None and until > now else None

    @property
    def newest_private_key(self) -> bytes | None:
        """The key of Ed25519 that goes on, encrypted; None where the endpoint has none."""
        return self.private_key if self.next_private_key is None else self.next_private_key

    def sign_by_ed25519(self, sealed: bytes | None) -> None:
        """Have a key sign beside the secret from now on, or none."""
        self.private_key, self.next_private_key = sealed, None

    def rotate_secret(self, sealed: bytes, overlap: timedelta, now: datetime, private_key: bytes | None = None) -> None:
        """Have another secret sign, and another key of Ed25519 where there is one, beside the present ones for the overlap.

        Without an overlap they sign alone at once.

        OverlapUnderWay for a third secret: receivers are never asked to know more than two.
        """
        if not overlap:
            self.secret, self.next_secret, self.next_alone_at = sealed, None, None
            self.private_key, self.next_private_key = private_key, None
            return
        if self.previous_secret_until(now) is not None:
            raise OverlapUnderWay
        self.secret, self.next_secret, self.next_alone_at = self.newest_secret, sealed, now + overlap
        self.private_key, self.next_private_key = self.newest_private_key, private_key

    def end_overlap(self, now: datetime) -> None:
        """Have the newest secret sign alone; NoPreviousSecret when it does already."""
        if self.previous_secret_until(now) is None:
            raise NoPreviousSecret
        self.secret, self.next_secret, self.next_alone_at = self.newest_secret, None, None
        self.private_key, self.next_private_key = self.newest_private_key, None

    def wipe_secrets(self) -> None:
        """Forget what has signed, and the headers; nothing is sent any more."""
        self.secret = self.next_secret = self.next_alone_at = self.headers = None
        self.private_key = self.next_private_key = None

    def view(self, state: "EndpointState", now: datetime, secret: str | None = None) -> EndpointView:
        """What the owner sees; the secret only where it was just made."""
        policy = RetryPolicy(self.retry_policy)
        circuit = state.breaker.circuit(now)
        return EndpointView(
            id=self.id,
            delivery=DeliveryMode(self.delivery),
            url=None if self.polled else self.url,
            events=tuple(self.events),
            description=self.description,
            filter=self.filter,
            payload=PayloadForm(self.payload),
            headers=dict.fromkeys(self.header_names, MASK),
            metadata=self.remarks,
            active=self.active,
            retry_policy=policy,
            retry_schedule=schedule_of(policy, self.retry_schedule),
            retry_on=RetryOn(self.retry_on),
            rate_limit=self.rate_limit,
            rate_period_seconds=self.rate_period_seconds,
            max_concurrency=self.max_concurrency,
            ordering=Ordering(self.ordering),
            after_last_try=AfterLastTry(self.after_last_try),
            ordered_since=self.ordered_since,
            signatures=(Signature.HMAC,) if self.private_key is None else (Signature.HMAC, Signature.ED25519),
            circuit=circuit,
            held_until=state.open_until if circuit is Circuit.OPEN else None,
            disabled_at=self.disabled_at,
            disabled_reason=None if self.disabled_reason is None else DisabledReason(self.disabled_reason),
            failing_since=None if state.failed_at is None else state.failing_since,
            missed=state.missed(),
            previous_secret_until=self.previous_secret_until(now),
            created_by=self.created_by,
            created_at=self.created_at,
            updated_at=self.updated_at,
            secret=secret,
            secret_shown=secret is None,
        )


class EndpointState(Base):
    """How an endpoint is sent to. While `managed`, only the replica that holds the lease sends, from due rows.

    `epoch` rises with each new holder of the lease. `missed_since` is since when it has missed events, until a replay has sent them.
    Nothing but failures came since `failing_since`, until `failed_at`; `warned` is how much of the time its owner was told of, in
    percent, and `told` the number of events about it. The rest is the circuit breaker, as of the last time it opened or closed.
    """

    __tablename__ = "endpoint_state"
    __table_args__ = (Index("ix_endpoint_state_warned", "endpoint_id", postgresql_where=text("warned > 0")),)

    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey(Endpoint.id), primary_key=True)
    managed: Mapped[bool] = mapped_column(server_default=text("false"))
    owner: Mapped[UUID | None]
    lease_until: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    epoch: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    open_until: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    opens: Mapped[int] = mapped_column(server_default=text("0"))
    opened_at: Mapped[datetime | None]
    missed_since: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    warned: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    told: Mapped[int] = mapped_column(server_default=text("0"))

    @property
    def breaker(self) -> Breaker:
        """The circuit breaker."""
        return Breaker(self.failures, self.opens, self.opened_at, self.open_until)

    def miss(self, since: datetime) -> None:
        """It misses events from now on, if it has not missed some since earlier."""
        self.missed_since = self.missed_since or since

    @property
    def failing_for_certain(self) -> datetime | None:
        """Since when nothing is known to have arrived: it was counted, or the circuit opened. None where something may just have."""
        if self.failing_since is not None or self.opened_at is None:
            return self.failing_since
        return self.opened_at - MERCY

    def missed(self) -> Missed | None:
        """What its owner is offered to have sent."""
        if self.missed_since is None:
            return None
        return Missed(since=self.missed_since, recover=f"/api/v1/webhooks/{self.endpoint_id}/recover")

    def try_out(self, now: datetime) -> None:
        """After it was disabled: one attempt finds out whether it is back, and the time in which it may fail begins anew."""
        self.failures, self.opens, self.opened_at, self.open_until = 0, 0, now, now
        self.failing_since, self.failed_at, self.warned = now, None, TOLD

    def fail_anew(self, now: datetime) -> None:
        """Its owner has done something about it: the time in which it may fail begins anew.

        An owner who was told that it fails is told when something arrives, and offered what has failed so far.
        """
        since, self.failing_since, self.failed_at = self.failing_since, None, None
        if self.warned:
            self.miss(since or now)
            self.failing_since, self.warned = now, TOLD

    def arrive(self, at: datetime) -> None:
        """Something has arrived at that time: only what failed after it is failing."""
        self.failing_since = at
        if self.failed_at is not None and self.failed_at < at:
            self.failed_at = None

    def recover(self) -> None:
        """Something has arrived: nothing is failing any more, and its owner is told that."""
        self.failing_since, self.failed_at, self.warned = None, None, 0

    def begin_anew(self) -> None:
        """Close the circuit."""
        self.failures, self.opens, self.opened_at, self.open_until = 0, 0, None, None


class EndpointRevision(Base):
    """One row: the number of endpoint writes so far, raised in the transaction of each."""

    __tablename__ = "endpoint_revision"
    __table_args__ = (CheckConstraint("one", name="one"),)

    one: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    revision: Mapped[int] = mapped_column(BigInteger)
