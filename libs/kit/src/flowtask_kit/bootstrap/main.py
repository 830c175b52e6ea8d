"""`flowtask-bootstrap`: roles, schemas, streams and durable consumers, before any service starts."""

import argparse
import asyncio
import sys

from pydantic import ValidationError

from flowtask_contracts.topology import FLOWTASK
from flowtask_kit.bootstrap.nats import bootstrap_nats, nats_authorization
from flowtask_kit.bootstrap.postgres import bootstrap_postgres
from flowtask_kit.bootstrap.settings import BootstrapSettings, NatsUsersSettings


async def bootstrap(settings: BootstrapSettings) -> None:
    """Prepare the database and the bus; idempotent."""
    await bootstrap_postgres(settings.database_url.get_secret_value(), FLOWTASK, settings.role_passwords)
    await bootstrap_nats(settings.nats_url.get_secret_value(), FLOWTASK, replicas=settings.stream_replicas)


def authorization(settings: NatsUsersSettings) -> str:
    """The `authorization` block of the NATS server's configuration; KeyError if a password is missing."""
    passwords = {name: secret.get_secret_value() for name, secret in settings.nats_passwords.items()}
    return nats_authorization(FLOWTASK, passwords, admin_password=passwords["admin"])


def main() -> None:
    """Run from the command line; exits with 2 and one sentence per setting that is missing."""
    parser = argparse.ArgumentParser(prog="flowtask-bootstrap", description=__doc__)
    parser.add_argument(
        "--nats-authorization",
        action="store_true",
        help="only print the authorization block for the NATS server's configuration (it holds passwords)",
    )
    try:
        if parser.parse_args().nats_authorization:
            sys.stdout.write(authorization(NatsUsersSettings()))
            return
        asyncio.run(bootstrap(BootstrapSettings()))
    except ValidationError as error:
        for item in error.errors(include_input=False):
            sys.stderr.write(f"FLOWTASK_BOOTSTRAP_{str(item['loc'][0]).upper()}: {item['msg']}\n")
        raise SystemExit(2) from None
    except KeyError as error:
        sys.stderr.write(f"a password is missing: {error.args[0]}\n")
        raise SystemExit(2) from None
    sys.stdout.write('{"bootstrap":"done"}\n')
