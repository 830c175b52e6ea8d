"""The outgoing HTTP client: one signed POST to a stranger's server, fast, and safe whatever that server does.

interface    Transport, all that sending knows of this
urls         what the owner typed    -> Target           (or InvalidUrl)
resolving    host name               -> every address of it
addresses    address                 -> why it is refused, or nothing
admission    Target                  -> addresses that may be dialled, or why none may; asked when saving and when dialling
connecting   address, port           -> TCP socket       (the first address that takes the connection)
proxying     the same through the egress proxy: CONNECT to the address that was checked
dialing      Target                  -> Connection (lookup, socket, then TLS), and how long each took
connections  one exchange at a time on one connection
responses    bytes                   -> status, headers, capped body
pool         idle connections, waiting for the next request to the same origin
client       HookClient.post: all of the above under one deadline
retry_after  the header              -> how long to wait
deadlines    every wait has one, and says what was late
timings      how long the parts of an attempt took
errors       every way to fail, in a code, in a sentence, and whose fault it is
"""

from .addresses import AddressPolicy
from .admission import Admission
from .client import HookClient
from .errors import Failure, InvalidProxy, InvalidUrl, TransportError
from .interface import Transport
from .proxying import ProxyAddress, parse_proxy
from .resolving import Resolve, Resolver
from .responses import Answer
from .retry_after import retry_after
from .timings import Timings
from .urls import Target, parse_url

__all__ = [
    "AddressPolicy",
    "Admission",
    "Answer",
    "Failure",
    "HookClient",
    "InvalidProxy",
    "InvalidUrl",
    "ProxyAddress",
    "Resolve",
    "Resolver",
    "Target",
    "Timings",
    "Transport",
    "TransportError",
    "parse_proxy",
    "parse_url",
    "retry_after",
]
