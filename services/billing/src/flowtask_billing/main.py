"""`flowtask-billing serve|migrate`."""

from flowtask_kit.service.cli import parser_of, read_settings, run

from .database import MIGRATIONS
from .settings import BillingSettings


def main() -> None:
    """Run from the command line."""
    parser, _ = parser_of("flowtask-billing", "Keep what each workspace pays for.")
    arguments = parser.parse_args()
    run(arguments.command, read_settings(BillingSettings), MIGRATIONS, "flowtask_billing.app:create_app")
