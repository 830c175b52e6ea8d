"""Which event types a subscription covers."""

from collections.abc import Iterable

from flowtask_contracts.errors import ErrorDetail, ValidationFailed
from flowtask_contracts.events import PUBLIC_TYPES

_AGGREGATES = frozenset(kind.partition(".")[0] for kind in PUBLIC_TYPES)


def matches(patterns: Iterable[str], kind: str) -> bool:
    """True if one of the patterns (`task.created`, `task.*`, `*`) covers the event type."""
    family = kind.partition(".")[0] + ".*"
    return any(pattern in {kind, family, "*"} for pattern in patterns)


def check(patterns: Iterable[str]) -> list[str]:
    """The patterns without repeats, in order; ValidationFailed for one that no event could match."""
    kept = list(dict.fromkeys(patterns))
    unknown = [pattern for pattern in kept if not _known(pattern)]
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


def _known(pattern: str) -> bool:
    if pattern == "*" or pattern in PUBLIC_TYPES:
        return True
    family, _, rest = pattern.partition(".")
    return rest == "*" and family in _AGGREGATES
