"""The outgoing HTTP client: one signed POST to a stranger's server, fast, and safe whatever that server does.

urls        what the owner typed    -> Target           (or InvalidUrl)
resolving   host name               -> every address of it
addresses   address                 -> why it is refused, or nothing
dialing     Target                  -> Connection to a checked address (TCP, then TLS)
connections one exchange at a time on one connection
responses   bytes                   -> status, headers, capped body
pool        idle connections, waiting for the next request to the same origin
client      HookClient.post: all of the above under one deadline
"""

from .addresses import AddressPolicy
from .client import HookClient
from .errors import Failure, InvalidUrl, TransportError
from .resolving import Resolve, Resolver
from .responses import Answer
from .retry_after import retry_after
from .urls import Target, parse_url

__all__ = [
    "AddressPolicy",
    "Answer",
    "Failure",
    "HookClient",
    "InvalidUrl",
    "Resolve",
    "Resolver",
    "Target",
    "TransportError",
    "parse_url",
    "retry_after",
]
