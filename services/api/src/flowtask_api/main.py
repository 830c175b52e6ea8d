"""`flowtask-api`: serve, migrate, and make users and keys from the command line."""

import argparse
import asyncio
import re
import sys
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.errors import FlowTaskError
from flowtask_contracts.topology import FLOWTASK
from flowtask_kit import logs
from flowtask_kit.database.transaction import transaction
from flowtask_kit.service.cli import outage_ends_the_process, parser_of, read_settings, run
from flowtask_kit.service.resources import Resources

from .accounts import service as accounts
from .api_keys import service as api_keys
from .database import MIGRATIONS
from .settings import ApiSettings

_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}")


def main() -> None:
    """Run from the command line; ends with 2 for wrong settings or arguments and with 1 for a refusal."""
    arguments = _parser().parse_args()
    settings = read_settings(ApiSettings)
    match arguments.command:
        case "create-user" | "create-key":
            _print_one_line(settings, arguments)
        case command:
            run(command, settings, MIGRATIONS, "flowtask_api.app:create_app")


def _parser() -> argparse.ArgumentParser:
    parser, commands = parser_of("flowtask-api", "The public REST API of FlowTask.")
    user = commands.add_parser("create-user", help="make a user with a personal workspace; known ones stay as they are")
    key = commands.add_parser("create-key", help="make an API key; it is printed once and kept nowhere")
    for command in (user, key):
        command.add_argument("--email", type=_email, required=True)
        command.add_argument("--name", type=_name, required=True)
    key.add_argument("--operator", action="store_true", help="the key may also see what only operators see")
    key.add_argument("--workspace", type=UUID, metavar="ID", help="a workspace of the user; the personal one if absent")
    return parser


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise argparse.ArgumentTypeError("this is not an e-mail address")
    return value


def _name(value: str) -> str:
    if not 1 <= len(value.strip()) <= len(value) <= 200:  # noqa: PLR2004 - the limit of every name
        raise argparse.ArgumentTypeError("a name has 1 to 200 characters")
    return value


def _print_one_line(settings: ApiSettings, arguments: argparse.Namespace) -> None:
    logs.configure("api", "error")
    try:
        with outage_ends_the_process():
            answer = asyncio.run(_in_transaction(settings, arguments))
    except FlowTaskError as refusal:
        sys.stderr.write(f"{refusal.message}: {arguments.email}\n")
        raise SystemExit(1) from None
    sys.stdout.write(orjson.dumps(answer).decode() + "\n")


async def _in_transaction(settings: ApiSettings, arguments: argparse.Namespace) -> dict[str, Any]:
    resources = Resources.create(FLOWTASK.service("api"), settings)
    command = _create_user if arguments.command == "create-user" else _create_key
    try:
        async with transaction(resources.database, resources.wake) as tx:
            return await command(tx, arguments)
    finally:
        await resources.database.close()


async def _create_user(tx: AsyncSession, arguments: argparse.Namespace) -> dict[str, Any]:
    user_id, workspace_id = await accounts.create_user(tx, email=arguments.email, name=arguments.name)
    return {"userId": str(user_id), "workspaceId": str(workspace_id)}


async def _create_key(tx: AsyncSession, arguments: argparse.Namespace) -> dict[str, Any]:
    user, workspace_id = await accounts.member_by_email(tx, arguments.email, arguments.workspace)
    key = await api_keys.create_key(
        tx, workspace_id=workspace_id, user_id=user.id, name=arguments.name, operator=arguments.operator
    )
    return {
        "id": str(key.id),
        "name": key.name,
        "key": key.key,
        "workspaceId": str(workspace_id),
        "operator": key.operator,
    }
