"""What API keys may do: each scope grants accesses, and each route asks for one.

`read` and `write` stop where a plain member stops. What only owners and admins may do needs `admin`, or the scope of that
very resource; the role is asked for beside it, for a key never does what its person may not. A scope that a newer version
wrote and this one does not know grants nothing.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing."""

READ, WRITE, ADMIN = "read", "write", "admin"


class Resource(StrEnum):
    """What routes are about. All but `ME` have scopes of their own; related paths share one."""

    TASKS = "tasks"
    PROJECTS = "projects"
    SYNC = "sync"
    API_KEYS = "api-keys"
    WEBHOOKS = "webhooks"
    EMAILS = "emails"
    BILLING = "billing"
    MEMBERS = "members"
    WORKSPACES = "workspaces"
    AUDIT_LOG = "audit-log"
    ME = "me"


_WHOLLY_ADMINISTRATIVE = frozenset(
    {Resource.API_KEYS, Resource.WEBHOOKS, Resource.EMAILS, Resource.BILLING, Resource.AUDIT_LOG}
)
_PARTLY_ADMINISTRATIVE = frozenset({Resource.MEMBERS, Resource.WORKSPACES})


class Access(NamedTuple):
    """One thing that a route asks for; `administrative` is what a plain member may not do."""

    resource: Resource
    writing: bool
    administrative: bool

    @classmethod
    def to(cls, resource: Resource, *, writing: bool, administrative: bool) -> "Access":
        """The access of a route; what is administrative by its resource is so whatever the route says."""
        by_nature = resource in _WHOLLY_ADMINISTRATIVE or (resource is Resource.MEMBERS and writing)
        return cls(resource, writing, administrative or by_nature)

    @property
    def scope(self) -> str:
        """The narrowest scope that grants it."""
        if self.resource is Resource.ME:
            return WRITE if self.writing else READ
        return f"{self.resource}:{WRITE if self.writing else READ}" if self in _ALL else ADMIN


def _possible(resource: Resource) -> Iterable[Access]:
    for writing in (False, True):
        yield Access.to(resource, writing=writing, administrative=False)
        if resource in _PARTLY_ADMINISTRATIVE:
            yield Access.to(resource, writing=writing, administrative=True)


_ALL = frozenset(access for resource in Resource for access in _possible(resource))
_PLAIN = frozenset(access for access in _ALL if not access.administrative)
_READING = frozenset(access for access in _ALL if not access.writing)
_WHO_AM_I = frozenset({Access(Resource.ME, writing=False, administrative=False)})


def _grants() -> Mapping[str, frozenset[Access]]:
    grants = {READ: _PLAIN & _READING, WRITE: _PLAIN, ADMIN: _ALL}
    for resource in Resource:
        if resource is not Resource.ME:
            own = frozenset(access for access in _ALL if access.resource is resource)
            grants |= {f"{resource}:{READ}": own & _READING | _WHO_AM_I, f"{resource}:{WRITE}": own | _WHO_AM_I}
    return grants


GRANTS = _grants()
"""Every scope there is, in the order in which they are shown, and what each one grants."""


def permits(scopes: frozenset[str], access: Access) -> bool:
    """Whether one of these scopes grants the access; `admin` grants whatever there is."""
    return ADMIN in scopes or any(access in GRANTS.get(scope, ()) for scope in scopes)


def beyond(scopes: frozenset[str], wanted: Iterable[str]) -> list[str]:
    """Which of the wanted scopes would grant more than these scopes do together."""
    if ADMIN in scopes:
        return []
    held = frozenset().union(*(GRANTS.get(scope, frozenset()) for scope in scopes))
    return [scope for scope in wanted if scope == ADMIN or not GRANTS.get(scope, _ALL) <= held]


def in_order(scopes: Iterable[str]) -> list[str]:
    """Known scopes, each once, in the order in which they are shown."""
    named = frozenset(scopes)
    return [scope for scope in GRANTS if scope in named]
