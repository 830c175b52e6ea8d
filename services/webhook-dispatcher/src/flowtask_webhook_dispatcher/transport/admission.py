"""Where webhooks may go: the same rules when an endpoint is saved and when a connection is made."""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address

from .addresses import Address, AddressPolicy
from .errors import Failure, InvalidUrl, TransportError
from .resolving import Resolve, Resolver
from .urls import Target, parse_url

HTTPS_PORT, HTTP_PORT = 443, 80
_PATIENCE = 2.0


class Admission:
    """Admits a scheme, a port, and addresses: of a name all of them, or none.

    Ports are 443, with `allow_http` 80, and `ports` beside them. `resolve` defaults to the system's resolver.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        allow_http: bool = False,
        ports: Sequence[range] = (),
        resolve: Resolve | None = None,
    ) -> None:
        self._policy = policy
        self._allow_http = allow_http
        own = [HTTPS_PORT, HTTP_PORT] if allow_http else [HTTPS_PORT]
        self._ports = (*(range(port, port + 1) for port in own), *ports)
        self._own_resolver = Resolver()  # has no threads before its first lookup
        self.resolve = resolve or self._own_resolver

    async def addresses(self, target: Target) -> list[str]:
        """Every address of the target, each of them allowed.

        Raises `TransportError` INVALID_URL, FORBIDDEN_PORT, FORBIDDEN_ADDRESS or DNS.
        """
        self._check(target)
        if target.address is not None:
            return [str(target.address)]
        try:
            found = await self.resolve(target.host, target.port)
        except socket.gaierror as error:
            raise _lookup_failure(error) from None
        except (OSError, UnicodeError):
            raise TransportError(Failure.DNS) from None
        if not found:
            raise TransportError(Failure.DNS, "The host name has no address.")
        addresses = [self._allowed(text) for text in found]
        return list(dict.fromkeys(str(address) for address in addresses))

    async def objection(self, url: str, *, patience: float = _PATIENCE) -> str | None:
        """Why webhooks may not go to this URL, in words for its author, or None.

        A name that cannot be resolved now, or not within `patience` seconds, is no objection: its owner may set it up
        later, and every connection asks again.
        """
        try:
            async with asyncio.timeout(patience):
                await self.addresses(parse_url(url, allow_http=self._allow_http))
        except InvalidUrl as error:
            return str(error)
        except TransportError as error:
            return error.message if error.kind.final else None
        except TimeoutError:
            return None
        return None

    def close(self) -> None:
        """Start no more lookups; a resolver that was given stays its giver's."""
        self._own_resolver.close()

    def _check(self, target: Target) -> None:
        if target.scheme != "https" and not self._allow_http:
            raise TransportError(Failure.INVALID_URL, "Only https URLs are allowed.")
        if not any(target.port in ports for ports in self._ports):
            allowed = " and ".join(filter(None, [", ".join(map(_words, self._ports[:-1])), _words(self._ports[-1])]))
            raise TransportError(
                Failure.FORBIDDEN_PORT, f"Webhooks may not go to port {target.port}, only to {allowed}."
            )
        if target.address is not None and (reason := self._policy.refusal(target.address)):
            raise TransportError(
                Failure.FORBIDDEN_ADDRESS, f"Webhooks may not go to the address {target.host}: {reason}."
            )

    def _allowed(self, text: str) -> Address:
        """The address that the text stands for, in one reading only: what is judged is what is dialled."""
        try:
            address = ip_address(text)
        except ValueError:
            address = None
        if address is None or self._policy.refusal(address):
            raise TransportError(
                Failure.FORBIDDEN_ADDRESS, "The host name resolves to an address that webhooks may not go to."
            )
        return address


def _words(ports: range) -> str:
    return str(ports[0]) if len(ports) == 1 else f"{ports[0]}-{ports[-1]}"


def _lookup_failure(error: socket.gaierror) -> TransportError:
    unknown = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
    return TransportError(Failure.DNS, "The host name does not exist." if error.errno in unknown else None)
