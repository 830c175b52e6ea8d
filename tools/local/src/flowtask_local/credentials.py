"""Which provider credential goes to which service, and to nobody else. Values are never printed."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from .errors import LocalError

_CLERK = ("FLOWTASK_CLERK_ISSUER", "FLOWTASK_CLERK_JWKS_URL", "FLOWTASK_CLERK_AUTHORIZED_PARTIES")

OWNERS: Mapping[str, tuple[str, ...]] = {
    "api": (*_CLERK, "CLERK_SECRET_KEY", "CLERK_WEBHOOK_SECRET", "CLERK_PUBLISHABLE_KEY"),
    "billing": ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_PRO_PRICE_ID", "STRIPE_ENTERPRISE_PRICE_ID"),
    "mailer": ("RESEND_API_KEY",),
    "integrations": ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "OPENAI_API_KEY"),
}
"""Service -> the variables of `.env` that it alone receives."""

READ: frozenset[str] = frozenset(_CLERK)
"""Those that a service reads today; nobody receives the others."""

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_QUOTED = re.compile(r"""(["'])(.*?)\1\s*(?:#.*)?""")


def read_env_file(path: Path) -> dict[str, str]:
    """The provider credentials in a file of `NAME=value` lines; empty values and names nobody owns are left out."""
    if not path.is_file():
        return {}
    known = {name for names in OWNERS.values() for name in names}
    return {name: value for name, text in _assignments(path) if name in known and (value := _value(text))}


def names_in(path: Path) -> list[str]:
    """Every name that the file gives a value, known or not, in its order."""
    return list(dict.fromkeys(name for name, text in _assignments(path) if _value(text)))


def for_service(service: str, credentials: Mapping[str, str], *, read: Collection[str] = READ) -> dict[str, str]:
    """What this service receives of the credentials that are set."""
    return {name: credentials[name] for name in OWNERS.get(service, ()) if name in credentials and name in read}


def unread(credentials: Mapping[str, str], *, read: Collection[str] = READ) -> list[str]:
    """The names of credentials that are set but which no service reads."""
    return sorted(set(credentials) - set(read))


def _assignments(path: Path) -> Iterator[tuple[str, str]]:
    """Name and text after `=` of each line; LocalError when the file is not text."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise LocalError(f"{path.absolute()} is not text in UTF-8: save it as such, or remove it.") from None
    for line in lines:
        match = _ASSIGNMENT.fullmatch(line.strip())
        if match is not None:
            yield match[1], match[2]


def _value(text: str) -> str:
    """Quotes go; without quotes a comment starts at ` #`, or at once."""
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return quoted[2]
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()
