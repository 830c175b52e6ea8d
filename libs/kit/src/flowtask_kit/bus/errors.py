"""What can be wrong with a request that takes effect once: it is another's, or not answered yet.

Conflict                       409 CONFLICT
+- KeyReused
+- UnderWay                    says when to come back
"""

from flowtask_contracts.errors import Conflict


class KeyReused(Conflict):
    """The key belongs to a request with another method, path, body or caller."""

    message = "This Idempotency-Key was used for another request"


class UnderWay(Conflict):
    """The first request with this key has not been answered yet."""

    message = "A request with this Idempotency-Key is under way"
