"""The endpoints in memory, as current as one small read before each batch of events makes them."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from flowtask_contracts.commands.webhooks import AfterLastTry, Ordering, RetryOn, RetryPolicy
from flowtask_contracts.webhook_content import DeliveryMode
from flowtask_kit import logs

from ..filters.compiling import Filter, compiled
from ..keyring import CannotDecrypt, KeyRing
from ..signing import SigningKey
from ..transport import InvalidUrl, Target, parse_url
from .breaker import CLOSED, Breaker
from .content import FULL, Forms, OwnHeaders, opened
from .keys import Sealed, signing_key
from .patterns import matches
from .policy import STANDARD, Policy, schedule_of

log = logs.get(__name__)

_REVISION = "SELECT revision FROM webhooks.endpoint_revision"
_CHANGED = """
    SELECT e.id, e.workspace_id, e.url, e.delivery, e.events, e.active, e.deleted_at, e.disabled_at,
           e.secret, e.next_secret, e.next_alone_at, e.private_key, e.next_private_key,
           e.filter, e.payload, e.payload_before, e.headers,
           e.retry_policy, e.retry_schedule, e.retry_on, e.rate_limit, e.rate_period_seconds, e.max_concurrency,
           e.ordering, e.after_last_try,
           s.managed, s.failures, s.opens, s.opened_at, s.open_until
    FROM webhooks.endpoints e JOIN webhooks.endpoint_state s ON s.endpoint_id = e.id
    WHERE e.revision > $1
"""
_ERASED = """
    SELECT workspace_id FROM webhooks.erasures WHERE revision > $1 AND heard_at > now() - interval '30 days'
"""


@dataclass(frozen=True, slots=True)
class Receiver:
    """An endpoint ready to be sent to. `target` is None where its URL may no longer be used here, or it is `polled`.

    `backlog` says that what is due to it goes first; `breaker` is as of the last write of the endpoint.
    """

    id: UUID
    workspace_id: UUID
    url: str
    target: Target | None
    events: tuple[str, ...]
    active: bool
    backlog: bool
    key: SigningKey | None
    policy: Policy = STANDARD
    breaker: Breaker = CLOSED
    filter: Filter | None = None
    forms: Forms = FULL
    headers: OwnHeaders | None = None
    polled: bool = False

    @property
    def managed(self) -> bool:
        """Whether only the replica that holds its lease sends, from due rows."""
        policy = self.policy
        return self.backlog or policy.limited or policy.ordered or self.breaker.open_until is not None


class Directory:
    """All living endpoints by id and by workspace. `refresh` first: an endpoint created before an event is then here."""

    def __init__(self, keyring: KeyRing, *, allow_http: bool) -> None:
        self._keyring = keyring
        self._allow_http = allow_http
        self._revision = -1
        self._one_at_a_time = asyncio.Lock()
        self._by_id: dict[UUID, Receiver] = {}
        self._by_workspace: dict[UUID, dict[UUID, Receiver]] = defaultdict(dict)
        self._matched: dict[tuple[UUID, str], tuple[Receiver, ...]] = {}
        self._filtering: dict[UUID, set[UUID]] = defaultdict(set)
        self._erased: set[UUID] = set()
        self._listeners: list[Callable[[UUID], None]] = []
        self.disabled: set[UUID] = set()
        """Endpoints that their receivers have ended."""
        self.limits: dict[UUID, int] = {}
        """How many attempts may be under way at once to endpoints whose owners have said it."""
        self.held: dict[UUID, Breaker] = {}
        """Breakers that are not closed."""
        self.unreadable: dict[UUID, str] = {}
        """Endpoints with a secret that no key of the ring opens, and the key that it is under. What is due to them waits."""

    def tell(self, listener: Callable[[UUID], None]) -> None:
        """Call this with the id of every endpoint that is read anew."""
        self._listeners.append(listener)

    async def refresh(self, connection: "asyncpg.pool.PoolConnectionProxy[Any]") -> None:
        """Read the revision, and what changed since the last one; after it, what was committed before it is here."""
        async with self._one_at_a_time:  # of two at once the older one could undo the newer
            revision = await connection.fetchval(_REVISION)
            if revision == self._revision:
                return
            changed = await connection.fetch(_CHANGED, self._revision)
            for row in changed:
                self._put(row)
                self._told(row["id"])
            for row in await connection.fetch(_ERASED, self._revision):
                self._erase(row["workspace_id"])
            self._matched.clear()
            self._revision = revision
            self._complain([row["id"] for row in changed])

    def get(self, endpoint_id: UUID) -> Receiver | None:
        """The endpoint, or None once it is deleted."""
        return self._by_id.get(endpoint_id)

    def matching(self, workspace_id: UUID, kind: str) -> tuple[Receiver, ...]:
        """The active endpoints of the workspace that subscribe to an event type."""
        key = (workspace_id, kind)
        found = self._matched.get(key)
        if found is None:
            of_workspace = self._by_workspace.get(workspace_id, {}).values()
            found = tuple(each for each in of_workspace if each.active and matches(each.events, kind))
            if len(self._matched) > 100_000:  # noqa: PLR2004 - a bound on memory, not a tuning knob
                self._matched.clear()
            self._matched[key] = found
        return found

    def filters(self, workspace_id: UUID) -> bool:
        """Whether an endpoint of the workspace has a filter; if none has, none is looked for."""
        return workspace_id in self._filtering

    def is_erased(self, workspace_id: UUID) -> bool:
        """Whether the workspace was erased in the last 30 days: what still comes of it is not even kept."""
        return workspace_id in self._erased

    def _erase(self, workspace_id: UUID) -> None:
        self._erased.add(workspace_id)
        self._filtering.pop(workspace_id, None)
        for endpoint_id in self._by_workspace.pop(workspace_id, {}):
            del self._by_id[endpoint_id]
            self._forget(endpoint_id)
            self._told(endpoint_id)

    def _forget(self, endpoint_id: UUID) -> None:
        self.disabled.discard(endpoint_id)
        self.limits.pop(endpoint_id, None)
        self.held.pop(endpoint_id, None)
        self.unreadable.pop(endpoint_id, None)

    def _told(self, endpoint_id: UUID) -> None:
        """Listeners hear of it when it is here, or gone for good: to them it is never gone only because it is read anew."""
        for listener in self._listeners:
            listener(endpoint_id)

    def _put(self, row: asyncpg.Record) -> None:
        known = self._by_id.pop(row["id"], None)
        if known is not None:
            of_workspace = self._by_workspace[known.workspace_id]
            del of_workspace[known.id]
            if not of_workspace:
                del self._by_workspace[known.workspace_id]
            if known.filter is not None:
                self._unfiltered(known)
        self._forget(row["id"])
        if row["deleted_at"] is not None:
            return
        key, headers = self._key(row), self._headers(row)
        receiver = Receiver(
            id=row["id"],
            workspace_id=row["workspace_id"],
            url=row["url"],
            target=self._target(row),
            events=tuple(orjson.loads(row["events"])),
            active=row["active"],
            backlog=row["managed"],
            key=None if row["id"] in self.unreadable else key,
            policy=_policy(row),
            breaker=_breaker(row),
            filter=None if row["filter"] is None else compiled(orjson.loads(row["filter"])),
            forms=Forms.of(row["payload"], orjson.loads(row["payload_before"])),
            headers=headers,
            polled=row["delivery"] == DeliveryMode.POLL,
        )
        if row["disabled_at"] is not None:
            self.disabled.add(receiver.id)
        if receiver.policy.at_once is not None:
            self.limits[receiver.id] = receiver.policy.at_once
        if receiver.breaker.open_until is not None:
            self.held[receiver.id] = receiver.breaker
        if receiver.filter is not None:
            self._filtering[receiver.workspace_id].add(receiver.id)
        self._by_id[receiver.id] = receiver
        self._by_workspace[receiver.workspace_id][receiver.id] = receiver

    def _unfiltered(self, known: Receiver) -> None:
        of_workspace = self._filtering[known.workspace_id]
        of_workspace.discard(known.id)
        if not of_workspace:
            del self._filtering[known.workspace_id]

    def _target(self, row: asyncpg.Record) -> Target | None:
        if row["delivery"] == DeliveryMode.POLL:
            return None
        try:
            return parse_url(row["url"], allow_http=self._allow_http)
        except InvalidUrl as error:
            log.warning("endpoint has a URL that is not allowed here", endpoint_id=str(row["id"]), error=str(error))
            return None

    def _key(self, row: asyncpg.Record) -> SigningKey | None:
        try:
            return signing_key(self._keyring, row["id"], Sealed(*(row[column] for column in Sealed._fields)))
        except CannotDecrypt as error:
            self.unreadable[row["id"]] = error.key_id
            return None

    def _headers(self, row: asyncpg.Record) -> OwnHeaders | None:
        """What is sent beside ours. Where it cannot be read the endpoint counts among those whose secret cannot, and waits."""
        try:
            return opened(self._keyring, row["id"], row["headers"])
        except CannotDecrypt as error:
            self.unreadable[row["id"]] = error.key_id
            return None

    def _complain(self, changed: list[UUID]) -> None:
        """Say once for all of these which secrets cannot be read: a wrong ring is a wrong ring for everybody."""
        unreadable = [endpoint_id for endpoint_id in changed if endpoint_id in self.unreadable]
        if unreadable:
            log.error(
                "secrets that no key of the ring opens; what is due to their endpoints waits until one does",
                endpoints=len(unreadable),
                endpoint_ids=[str(each) for each in unreadable[:10]],
                missing_keys=sorted({self.unreadable[each] for each in unreadable})[:10],
                keys_of_the_ring=[self._keyring.current, *self._keyring.others],
            )


def _policy(row: asyncpg.Record) -> Policy:
    """One object for all endpoints that have set nothing of their own."""
    own = row["retry_schedule"]
    waits = schedule_of(RetryPolicy(row["retry_policy"]), None if own is None else orjson.loads(own))
    policy = Policy(
        waits=tuple(timedelta(seconds=each) for each in waits),
        retry_on=RetryOn(row["retry_on"]),
        rate=row["rate_limit"],
        period=timedelta(seconds=row["rate_period_seconds"]),
        at_once=row["max_concurrency"],
        ordering=Ordering(row["ordering"]),
        blocks=row["after_last_try"] == AfterLastTry.BLOCK,
    )
    return STANDARD if policy == STANDARD else policy


def _breaker(row: asyncpg.Record) -> Breaker:
    breaker = Breaker(row["failures"], row["opens"], row["opened_at"], row["open_until"])
    return CLOSED if breaker == CLOSED else breaker
