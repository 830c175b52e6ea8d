"""A connection to a checked address: one lookup, every address judged, then TCP to that very literal, then TLS."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable

from .admission import Admission
from .connecting import Route, Straight, connect_first
from .connections import Connection
from .deadlines import Deadlines
from .errors import Failure, TransportError
from .proxying import ProxyAddress, Tunnels
from .timings import Phases
from .urls import Target

MakeConnection = Callable[[str, str], Connection]
"""Takes the address and the origin, gives a connection that is not open yet."""

# OpenSSL's X509_V_ERR_*; any other problem of a certificate is told in OpenSSL's words.
_CERTIFICATE_FAILURES = {
    2: Failure.TLS_UNKNOWN_AUTHORITY,  # UNABLE_TO_GET_ISSUER_CERT
    9: Failure.TLS_NOT_YET_VALID,
    10: Failure.TLS_EXPIRED,
    18: Failure.TLS_SELF_SIGNED,  # DEPTH_ZERO_SELF_SIGNED_CERT
    19: Failure.TLS_UNKNOWN_AUTHORITY,  # SELF_SIGNED_CERT_IN_CHAIN: the sent root is not one of ours
    20: Failure.TLS_UNKNOWN_AUTHORITY,  # UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    21: Failure.TLS_UNKNOWN_AUTHORITY,  # UNABLE_TO_VERIFY_LEAF_SIGNATURE
    27: Failure.TLS_UNKNOWN_AUTHORITY,  # CERT_UNTRUSTED
    62: Failure.TLS_WRONG_HOST,
    64: Failure.TLS_WRONG_HOST,  # IP_ADDRESS_MISMATCH
}


def verifying_context() -> ssl.SSLContext:
    """TLS 1.2 or newer against the system's certificate authorities, host names checked, no renegotiation."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context


class Dialer:
    """Opens connections to targets, and only to addresses that are admitted; through the proxy if there is one."""

    def __init__(
        self, admission: Admission, tls: ssl.SSLContext, proxy: ProxyAddress | None, make: MakeConnection
    ) -> None:
        if tls.verify_mode != ssl.CERT_REQUIRED or not tls.check_hostname:
            raise ValueError("the TLS context must verify certificates and host names")
        if tls.minimum_version < ssl.TLSVersion.TLSv1_2:
            raise ValueError("the TLS context must refuse TLS below 1.2")
        self._admission = admission
        self._tls = tls
        self._make = make
        self._deadlines = Deadlines()
        self._route: Route = Straight(self._deadlines)
        if proxy is not None:
            self._route = Tunnels(proxy, admission.resolve, self._deadlines)

    async def dial(self, target: Target, deadline: float, phases: Phases) -> Connection:
        """An open connection by `deadline` (loop time), `phases` filled in as far as it went; raises `TransportError`."""
        begun = time.perf_counter()
        async with self._deadlines.until(deadline, lambda: TransportError(Failure.DNS_TIMEOUT)):
            addresses = await self._admission.addresses(target)
        looked_up = time.perf_counter()
        if target.address is None:
            phases.dns = looked_up - begun
        sock, address = await connect_first(self._route, addresses, target.port, deadline)
        connected = time.perf_counter()
        phases.connect = connected - looked_up
        encrypted = target.scheme == "https"
        late = Failure.TLS_TIMEOUT if encrypted else Failure.CONNECT_TIMEOUT
        async with self._deadlines.until(deadline, lambda: TransportError(late)):
            connection = await self._open(target, sock, address)
        if encrypted:
            phases.tls = time.perf_counter() - connected
        return connection

    def hurry(self) -> None:
        """Put the deadline of everything under way to now."""
        self._deadlines.hurry()

    async def _open(self, target: Target, sock: socket.socket, address: str) -> Connection:
        """Make the socket a connection, with TLS for https; the socket is closed if that fails."""
        connection = self._make(address, target.origin)
        tls = self._tls if target.scheme == "https" else None
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection, sock=sock, ssl=tls, server_hostname=target.host if tls else None
            )
        except BaseException as error:
            connection.discard()
            # uvloop says RuntimeError if the connection went while it was being set up.
            if isinstance(error, OSError | RuntimeError) and not isinstance(error, TimeoutError):
                raise _setup_failure(error, encrypted=tls is not None) from None
            raise
        return connection


def _setup_failure(error: Exception, *, encrypted: bool) -> TransportError:
    if isinstance(error, ssl.SSLCertVerificationError):
        kind = _CERTIFICATE_FAILURES.get(error.verify_code)
        if kind is not None:
            return TransportError(kind)
        return TransportError(Failure.TLS_CERTIFICATE, f"The certificate is not valid: {error.verify_message}.")
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "unknown reason").replace("_", " ").lower()
        return TransportError(Failure.TLS, f"The TLS handshake failed: {reason}.")
    if encrypted:
        return TransportError(Failure.TLS, "The receiver closed the connection during the TLS handshake.")
    return TransportError(Failure.CONNECT_FAILED)
