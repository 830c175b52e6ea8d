"""Counting a request once it is known whose it is."""

from ipaddress import IPv6Address, ip_address

from fastapi import Request

from flowtask_kit.http.middleware import answer_headers

from .headers import headers_of
from .limiter import Limiter
from .models import Decision, Quota


async def limit_caller(request: Request, quota: Quota) -> None:
    """Count the request of a credential; RateLimited when it is one too many. The answer tells the limits either way."""
    decision = await _limiter(request).request(quota, request.method)
    _settle(request, decision)


async def limit_failures(request: Request) -> None:
    """Count an authentication that has failed; RateLimited when its address has failed too often.

    Credentials that are valid pass from there all the same: many people can share an address.
    """
    decision = await _limiter(request).failure(network_of(request.client.host if request.client else ""))
    _settle(request, decision)


async def limit_expired(request: Request, holder: str) -> None:
    """Count a credential that was genuine and is over; RateLimited when its holder has come with such too often."""
    _settle(request, await _limiter(request).expired(holder))


def network_of(address: str) -> str:
    """What counts as one address: of IPv6, the /64 that is given to a single customer."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)


def _settle(request: Request, decision: Decision) -> None:
    answer_headers(request, headers_of(decision))
    if not decision.passes:
        raise decision.refusal


def _limiter(request: Request) -> Limiter:
    limiter: Limiter = request.app.state.limiter
    return limiter
