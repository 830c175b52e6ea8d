"""`flowtask-webhook-dispatcher serve|migrate`."""

import sys

from flowtask_kit.service.cli import parser_of, read_settings, run

from .database import MIGRATIONS
from .keyring import InvalidKeyRing
from .settings import DispatcherSettings


def main() -> None:
    """Run from the command line."""
    parser, _ = parser_of("flowtask-webhook-dispatcher", "Deliver public events to the workspaces' endpoints.")
    arguments = parser.parse_args()
    try:
        run(
            arguments.command,
            read_settings(DispatcherSettings),
            MIGRATIONS,
            "flowtask_webhook_dispatcher.app:create_app",
        )
    except InvalidKeyRing as error:
        sys.stderr.write(f"FLOWTASK_WEBHOOKS_SECRET_KEYS: {error}\n")
        raise SystemExit(2) from None
