"""What may stand in settings as an address of Clerk or of a frontend."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit


def url(value: str) -> str:
    """An https URL without a slash at its end; http only on this machine."""
    parts = _split(value)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        raise ValueError("must be an https:// URL; http:// is allowed on this machine only")
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must be a URL of scheme, host and path alone")
    return value.rstrip("/")


def origin(value: str) -> str:
    """An origin as browsers send it: scheme, host, and a port that is not the scheme's own."""
    parts = _split(value)
    if not parts.scheme or not parts.netloc or value != f"{parts.scheme}://{parts.netloc}".lower():
        raise ValueError("must be an origin such as https://app.example.com, without a path and in lower case")
    return value


def _split(value: str) -> SplitResult:
    if not value.isascii() or any(sign <= " " for sign in value):
        raise ValueError("must be a URL in plain ASCII")
    parts = urlsplit(value)
    _ = parts.port  # raises ValueError for what is no port
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
