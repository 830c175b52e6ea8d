"""`rotate-keys`: every secret is encrypted anew with the first key of the ring, so that an older one can be taken out of it.

Batch by batch, each a transaction: whoever breaks it off loses nothing, and repeats it. What is written is the same secret, so
replicas learn nothing of it. Each row is decrypted, too, those under the first key included: what nobody can read is told.
"""

import argparse
import asyncio
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_kit import crashpoints, logs
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.database.engine import create_database
from flowtask_kit.service.cli import outage_ends_the_process

from ..keyring import PRIVATE_KEY, CannotDecrypt, KeyRing, key_of
from ..settings import DispatcherSettings
from . import queries
from .models import Endpoint

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse names it nowhere else

BATCH = 500
_SEALED = {
    "secret": "secret",
    "next_secret": "secret",
    "headers": "headers",
    "private_key": PRIVATE_KEY,
    "next_private_key": PRIVATE_KEY,
}
"""The columns with something encrypted, and what that is."""


@dataclass
class Rekeyed:
    """What was found and done so far, in endpoints."""

    seen: int = 0
    renewed: int = 0
    unreadable: list[CannotDecrypt] = field(default_factory=list)


def add_command(commands: "SubParsers") -> None:
    """Add it to the service's command line."""
    commands.add_parser("rotate-keys", help="encrypt every secret anew with the first key of the ring")


def run_command(settings: DispatcherSettings) -> None:
    """Carry it out and say how it went; ends the process with 1 when there are secrets that no key of the ring opens.

    Raises InvalidKeyRing.
    """
    logs.configure("webhook-dispatcher", "error")
    crashpoints.arm(settings.crashpoints)
    keyring = KeyRing.parse(settings.webhooks_secret_keys.get_secret_value())
    with outage_ends_the_process():
        done = asyncio.run(_all(settings, keyring))
    sys.stdout.write(f"{done.renewed} of {done.seen} webhooks were encrypted anew, with the key {keyring.current}.\n")
    if done.unreadable:
        sys.stderr.writelines(f"{each}\n" for each in done.unreadable)
        sys.stderr.write(f"{len(done.unreadable)} cannot be read: put their key back into the ring.\n")
        raise SystemExit(1)
    if keyring.others:
        sys.stdout.write(f"Every secret is under it: {', '.join(keyring.others)} can be taken out of the ring.\n")


async def _all(settings: DispatcherSettings, keyring: KeyRing) -> Rekeyed:
    database = create_database(settings, service="webhook-dispatcher")
    done = Rekeyed()
    try:
        last: UUID | None = None
        while True:
            async with database.sessions.begin() as tx:
                last = await renew(tx, keyring, done, last)
            if last is None:
                return done
            crashpoint("rotate-keys.after-batch")
    finally:
        await database.close()


async def renew(
    tx: AsyncSession, keyring: KeyRing, done: Rekeyed, after: UUID | None, limit: int = BATCH
) -> UUID | None:
    """Encrypt the next endpoints above an id anew where they are not under the first key; the last id, or None at the end."""
    endpoints = (await tx.scalars(queries.with_secrets(after, limit))).all()
    for endpoint in endpoints:
        done.seen += 1
        try:
            done.renewed += _renewed(keyring, endpoint)
        except CannotDecrypt as error:
            done.unreadable.append(error)
    return endpoints[-1].id if len(endpoints) == limit else None


def _renewed(keyring: KeyRing, endpoint: Endpoint) -> bool:
    """Whether there was something to encrypt anew; nothing is where any of it cannot be read."""
    before = {name: stored for name in _SEALED if (stored := getattr(endpoint, name)) is not None}
    opened = {name: keyring.decrypt(endpoint.id, stored, _SEALED[name]) for name, stored in before.items()}
    old = [name for name, stored in before.items() if key_of(stored) != keyring.current]
    for name in old:
        setattr(endpoint, name, keyring.encrypt(endpoint.id, opened[name], _SEALED[name]))
    return bool(old)
