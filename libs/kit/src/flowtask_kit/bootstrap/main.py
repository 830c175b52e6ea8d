"""`flowtask-bootstrap`: roles, schemas, streams and durable consumers, before any service starts."""

import asyncio
import sys

from pydantic import ValidationError

from flowtask_contracts.topology import FLOWTASK
from flowtask_kit.bootstrap.nats import bootstrap_nats
from flowtask_kit.bootstrap.postgres import bootstrap_postgres
from flowtask_kit.bootstrap.settings import BootstrapSettings


async def bootstrap(settings: BootstrapSettings) -> None:
    """Prepare the database and the bus; idempotent."""
    await bootstrap_postgres(settings.database_url.get_secret_value(), FLOWTASK, settings.role_passwords)
    await bootstrap_nats(settings.nats_url.get_secret_value(), FLOWTASK, replicas=settings.stream_replicas)


def main() -> None:
    """Run from the command line; exits with 2 and one sentence per setting that is missing."""
    try:
        settings = BootstrapSettings()
    except ValidationError as error:
        for item in error.errors(include_input=False):
            sys.stderr.write(f"FLOWTASK_BOOTSTRAP_{str(item['loc'][0]).upper()}: {item['msg']}\n")
        raise SystemExit(2) from None
    asyncio.run(bootstrap(settings))
    sys.stdout.write('{"bootstrap":"done"}\n')
