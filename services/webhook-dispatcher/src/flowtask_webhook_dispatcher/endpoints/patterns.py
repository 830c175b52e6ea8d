"""Which event types a subscription covers."""

from collections.abc import Iterable

from flowtask_contracts.errors import ErrorDetail, ValidationFailed
from flowtask_contracts.events import PUBLIC_TYPES


def matches(patterns: Iterable[str], kind: str) -> bool:
    """True if one of the patterns (`task.created`, `task.*`, `*`) covers the event type; a group covers all below it."""
    covering = _covering(kind)
    return any(pattern in covering for pattern in patterns)


def _covering(kind: str) -> frozenset[str]:
    """Every pattern that covers an event type: of `a.b.c` these are `a.b.c`, `a.b.*`, `a.*` and `*`."""
    names = kind.split(".")
    return frozenset((kind, "*", *(".".join((*names[:length], "*")) for length in range(1, len(names)))))


_KNOWN = frozenset().union(*map(_covering, PUBLIC_TYPES))


def check(patterns: Iterable[str]) -> list[str]:
    """The patterns without repeats, in order; ValidationFailed for one that no event could match."""
    kept = list(dict.fromkeys(patterns))
    unknown = [pattern for pattern in kept if pattern not in _KNOWN]
    if unknown:
        known = ", ".join(PUBLIC_TYPES)
        details = [
            ErrorDetail(
                field="events", message=f"{name[:100]} is not an event type; known are {known}, <group>.* and *"
            )
            for name in unknown
        ]
        raise ValidationFailed(details=details)
    return kept
