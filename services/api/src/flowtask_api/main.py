"""`flowtask-api`: serve, migrate, and make users and keys from the command line."""

import argparse
import re
from datetime import UTC, datetime
from uuid import UUID

from flowtask_kit.service.cli import parser_of, read_settings, run

from .auth.scopes import GRANTS
from .database import MIGRATIONS
from .settings import ApiSettings

_OFFSET = re.compile(r"T.*(Z|[+-]\d\d:\d\d)$")
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}")


def main() -> None:
    """Run from the command line; ends with 2 for wrong settings or arguments and with 1 for a refusal."""
    arguments = _parser().parse_args()
    settings = read_settings(ApiSettings)
    match arguments.command:
        case "create-user" | "create-key" | "create-workspace":
            from .by_hand import print_one_line  # noqa: PLC0415 - a second that `migrate` does not need

            print_one_line(settings, arguments)
        case command:
            run(command, settings, MIGRATIONS, "flowtask_api.app:create_app")


def _parser() -> argparse.ArgumentParser:
    parser, commands = parser_of("flowtask-api", "The public REST API of FlowTask.")
    user = commands.add_parser("create-user", help="make a user with a personal workspace; known ones stay as they are")
    key = commands.add_parser("create-key", help="make an API key; it is printed once and kept nowhere")
    workspace = commands.add_parser("create-workspace", help="make a shared workspace that the user owns")
    for command in (user, key, workspace):
        command.add_argument("--email", type=_email, required=True)
        command.add_argument("--name", type=_name, required=True)
    key.add_argument("--operator", action="store_true", help="the key may also see what only operators see")
    key.add_argument("--workspace", type=UUID, metavar="ID", help="a workspace of the user; the personal one if absent")
    key.add_argument(
        "--scope",
        action="append",
        choices=GRANTS,
        metavar="SCOPE",
        help="what the key may do, repeatable; admin if absent",
    )
    key.add_argument("--expires-at", type=_moment, metavar="TIME", help="RFC 3339; the key opens nothing from then on")
    return parser


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise argparse.ArgumentTypeError("this is not an e-mail address")
    return value


def _name(value: str) -> str:
    if not 1 <= len(value.strip()) <= len(value) <= 200:  # noqa: PLR2004 - the limit of every name
        raise argparse.ArgumentTypeError("a name has 1 to 200 characters")
    return value


def _moment(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value).astimezone(UTC) if _OFFSET.search(value) else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment <= datetime.now(UTC):
        raise argparse.ArgumentTypeError("this is not an RFC 3339 time in the future")
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
