"""From the text an owner typed to what the client needs, once per URL."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote

from .errors import InvalidUrl

MAX_URL = 2048  # characters, before and after percent-encoding
_MAX_HOST = 253  # RFC 1035, section 2.3.4, in text form
_MAX_PORT = 65535

_SHAPE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?]*)(?P<rest>.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_DOTTED_QUAD = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}")
_KEPT_IN_PATH = "%/:?@!$&'()*+,;=-._~[]"


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver's URL, parsed: where to connect, and what the request's first lines say."""

    scheme: str  # "http" or "https"
    host: str  # lower case, no brackets, no trailing dot
    port: int  # 1-65535
    path_and_query: bytes  # begins with "/", printable ASCII
    host_header: bytes  # with brackets and any port that is not the scheme's own
    address: IPv4Address | IPv6Address | None  # set if the host is an IP literal
    origin: str = field(init=False, repr=False)  # scheme, host and port in one word
    request_start: bytes = field(init=False, repr=False)  # the request line and the Host line

    def __post_init__(self) -> None:
        start = b"POST %b HTTP/1.1\r\nHost: %b\r\n" % (self.path_and_query, self.host_header)
        object.__setattr__(self, "origin", f"{self.scheme}://{self.host}:{self.port}")
        object.__setattr__(self, "request_start", start)


def parse_url(url: str, *, allow_http: bool = False) -> Target:
    """The target this URL names; raises `InvalidUrl`, whose text is for the URL's author.

    Stricter than browsers on purpose: what two parsers could read differently is refused, not repaired. An IP literal
    is accepted here whatever it is; `AddressPolicy.refusal(target.address)` judges it.
    """
    return _parse(url, allow_http)


@lru_cache(maxsize=16_384)
def _parse(url: str, allow_http: bool) -> Target:
    _check_text(url)
    shape = _SHAPE.fullmatch(url)
    if shape is None:
        raise InvalidUrl("the URL must look like https://host/path")
    scheme = shape["scheme"].lower()
    if scheme != "https" and not (scheme == "http" and allow_http):
        raise InvalidUrl(
            "the URL must begin with http:// or https://" if allow_http else "the URL must begin with https://"
        )
    if "@" in shape["authority"]:
        raise InvalidUrl("the URL must not contain a user name or password")
    authority = _AUTHORITY.fullmatch(shape["authority"])
    if authority is None:
        raise InvalidUrl("the URL's host or port is malformed")
    host, address = _host(authority["host"].lower())
    default_port = 443 if scheme == "https" else 80
    port = int(authority["port"] or default_port)
    if not 1 <= port <= _MAX_PORT:
        raise InvalidUrl("the URL's port must be between 1 and 65535")
    shown = f"[{host}]" if isinstance(address, IPv6Address) else host
    return Target(
        scheme=scheme,
        host=host,
        port=port,
        path_and_query=_path(shape["rest"]),
        host_header=(shown if port == default_port else f"{shown}:{port}").encode("ascii"),
        address=address,
    )


def _check_text(url: str) -> None:
    if len(url) > MAX_URL:
        raise InvalidUrl(f"the URL is longer than {MAX_URL} characters")
    if " " in url or not url.isprintable():
        raise InvalidUrl("the URL must not contain spaces, line breaks or control characters")
    if "\\" in url:
        raise InvalidUrl("the URL must not contain a backslash")
    if "#" in url:
        raise InvalidUrl("the URL must not contain a fragment (#)")


def _host(text: str) -> tuple[str, IPv4Address | IPv6Address | None]:
    """The host as it will be looked up, and its address if it is a literal."""
    if text.startswith("["):
        return _v6_literal(text[1:-1])
    host = text.removesuffix(".")
    if not host:
        raise InvalidUrl("the URL has no host")
    if not host.isascii():
        raise InvalidUrl("write the host name in its ASCII form (xn--...)")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):  # the WHATWG "ends in a number" rule: an address, or nothing
        return _v4_literal(host)
    if len(host) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidUrl("the URL's host is not a host name")
    return host, None


def _v4_literal(host: str) -> tuple[str, IPv4Address]:
    """Only the plain dotted quad: octal, hexadecimal and shortened forms mean different hosts to different readers."""
    if not _DOTTED_QUAD.fullmatch(host):
        raise InvalidUrl("write an IPv4 address as four decimal numbers")
    try:
        return host, IPv4Address(host)
    except ValueError:
        raise InvalidUrl("write an IPv4 address as four decimal numbers") from None


def _v6_literal(text: str) -> tuple[str, IPv6Address]:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise InvalidUrl("the URL's IPv6 address is malformed") from None
    if address.scope_id is not None:
        raise InvalidUrl("the URL's IPv6 address must not name a zone")
    return str(address), address


def _path(rest: str) -> bytes:
    """The request target: what ASCII has no letters for is percent-encoded, the rest is left as its author wrote it."""
    path = quote(rest, safe=_KEPT_IN_PATH)
    if len(path) > MAX_URL:
        raise InvalidUrl(f"the URL is longer than {MAX_URL} characters once percent-encoded")
    return (path if path.startswith("/") else f"/{path}").encode("ascii")
