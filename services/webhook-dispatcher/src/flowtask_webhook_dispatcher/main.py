"""`flowtask-webhook-dispatcher serve|migrate|jobs|run-job|rotate-keys`."""

import sys

from flowtask_contracts.topology import FLOWTASK
from flowtask_kit.schedule.cli import add_commands, run_command
from flowtask_kit.service.cli import parser_of, read_settings, run

from .database import MIGRATIONS, JobRun
from .endpoints import rekeying
from .jobs import jobs_of
from .keyring import InvalidKeyRing
from .settings import DispatcherSettings


def main() -> None:
    """Run from the command line."""
    parser, commands = parser_of("flowtask-webhook-dispatcher", "Deliver public events to the workspaces' endpoints.")
    add_commands(commands)
    rekeying.add_command(commands)
    arguments = parser.parse_args()
    settings = read_settings(DispatcherSettings)
    service = FLOWTASK.service("webhook-dispatcher")
    try:
        if arguments.command == "rotate-keys":
            rekeying.run_command(settings)
        elif not run_command(arguments, settings, service, JobRun, jobs_of(settings)):
            run(arguments.command, settings, MIGRATIONS, "flowtask_webhook_dispatcher.app:create_app")
    except InvalidKeyRing as error:
        sys.stderr.write(f"FLOWTASK_WEBHOOKS_SECRET_KEYS: {error}\n")
        raise SystemExit(2) from None
