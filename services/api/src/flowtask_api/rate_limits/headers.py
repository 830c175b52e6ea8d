"""How answers tell the limits: `X-RateLimit-*`, and the IETF's `RateLimit` and `RateLimit-Policy` beside them.

`X-RateLimit-Reset` is the Unix time, in whole seconds, at which the oldest call that counts leaves the window. Source of
the others: draft-ietf-httpapi-ratelimit-headers.
"""

import math
import time

from .models import WINDOW_SECONDS, Decision


def headers_of(decision: Decision) -> list[tuple[bytes, bytes]]:
    """The headers of an answer; those that know one limit tell the one nearest to its end."""
    room = decision.tightest
    policy = ", ".join(
        f'"{each.limit.name}";q={each.limit.most};w={WINDOW_SECONDS}'
        for each in decision.rooms
        if each is room or not each.limit.wide
    )
    return [
        (b"x-ratelimit-limit", b"%d" % room.limit.most),
        (b"x-ratelimit-remaining", b"%d" % room.remaining),
        (b"x-ratelimit-reset", b"%d" % math.ceil(time.time() + room.frees_in)),
        (b"ratelimit-policy", policy.encode()),
        (b"ratelimit", f'"{room.limit.name}";r={room.remaining};t={math.ceil(room.frees_in)}'.encode()),
    ]
