"""Passwords and keys that this machine makes up once and keeps in one file that only its owner can read."""

import base64
import secrets
from pathlib import Path
from typing import Any

from .files import read_object, write_json

SUPERUSER = "postgresSuperuser"
"""Under this name the password stands without which the database cannot be opened."""


class Keys:
    """Generated secrets by name; one that is asked for the first time is made and written down before it is used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = read_object(path)

    @property
    def superuser(self) -> str:
        """Password of PostgreSQL's superuser."""
        return self._password(SUPERUSER)

    @property
    def nats_admin(self) -> str:
        """Password of the NATS user that makes streams."""
        return self._password("natsAdmin")

    def role(self, service: str) -> str:
        """Password of a service's PostgreSQL role."""
        return self._password(f"postgres:{service}")

    def bus(self, service: str) -> str:
        """Password of a service's NATS user."""
        return self._password(f"nats:{service}")

    def ring(self, name: str) -> str:
        """A ring of 32-byte keys as `keyid:base64,...`, the current one first."""
        if f"ring:{name}" not in self._kept:
            key = base64.b64encode(secrets.token_bytes(32)).decode()
            self._keep(f"ring:{name}", f"local-{secrets.token_hex(4)}:{key}")
        return str(self._kept[f"ring:{name}"])

    def seed(self) -> dict[str, str] | None:
        """The demo user's ids and API key, None until they were made."""
        return self._kept.get("seed")

    def keep_seed(self, seed: dict[str, str]) -> None:
        """Remember the demo user's ids and API key."""
        self._keep("seed", seed)

    def _password(self, name: str) -> str:
        if name not in self._kept:
            self._keep(name, secrets.token_urlsafe(24))
        return str(self._kept[name])

    def _keep(self, name: str, value: Any) -> None:
        self._kept[name] = value
        write_json(self._path, self._kept)
