"""What can be wrong with a request that takes effect once: it is another's, or not answered yet.

Conflict                       409 CONFLICT
+- KeyReused
+- UnderWay                    says when to come back
+- OutcomeUnknown              it was begun, and is not done again
"""

from flowtask_contracts.errors import Conflict, FlowTaskError


class KeyReused(Conflict):
    """The key belongs to a request with another method, path, body or caller."""

    message = "This Idempotency-Key was used for another request"


class UnderWay(Conflict):
    """The first request with this key has not been answered yet."""

    message = "A request with this Idempotency-Key is under way"


class OutcomeUnknown(Conflict):
    """The first request with this key was carried out or not: what came of it was lost, and it is not carried out again."""

    message = "What became of the request with this Idempotency-Key is not known; it is not done again under this key"


def is_undecided(error: FlowTaskError) -> bool:
    """True for a refusal, another service's too, that does not say what becomes of the first request: every other has changed nothing.

    It is told by its message: a reply has no other mark of it, and a service of another version may have written it.
    """
    return isinstance(error, Conflict) and error.message in _UNDECIDED


_UNDECIDED = frozenset({UnderWay.message, OutcomeUnknown.message})
