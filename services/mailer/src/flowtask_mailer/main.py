"""`flowtask-mailer serve|migrate`."""

from flowtask_kit.service.cli import parser_of, read_settings, run

from .database import MIGRATIONS
from .settings import MailerSettings


def main() -> None:
    """Run from the command line."""
    parser, _ = parser_of("flowtask-mailer", "Turn events into mails and send them.")
    arguments = parser.parse_args()
    run(arguments.command, read_settings(MailerSettings), MIGRATIONS, "flowtask_mailer.app:create_app")
