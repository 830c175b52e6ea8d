"""Users and keys made from the command line."""

import argparse
import asyncio
import sys
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.base import rfc3339
from flowtask_contracts.errors import FlowTaskError
from flowtask_contracts.topology import FLOWTASK
from flowtask_kit import logs
from flowtask_kit.database.transaction import transaction
from flowtask_kit.service.cli import outage_ends_the_process
from flowtask_kit.service.resources import Resources

from .accounts import service as accounts
from .api_keys import service as api_keys
from .audit import service as audit
from .auth.scopes import ADMIN, in_order
from .settings import ApiSettings


def print_one_line(settings: ApiSettings, arguments: argparse.Namespace) -> None:
    """Make the user or key that the arguments name, and print it as JSON; ends the process with 1 for a refusal."""
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
    command = _COMMANDS[arguments.command]
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
        tx,
        workspace_id=workspace_id,
        user_id=user.id,
        name=arguments.name,
        scopes=in_order(arguments.scope or [ADMIN]),
        expires_at=arguments.expires_at,
        operator=arguments.operator,
    )
    audit.record_by_system(tx, workspace_id, "api_key.created", key.id, key.told())
    return {
        "id": str(key.id),
        "name": key.name,
        "key": key.key,
        "workspaceId": str(workspace_id),
        "operator": key.operator,
        "scopes": list(key.scopes),
        "expiresAt": None if key.expires_at is None else rfc3339(key.expires_at),
    }


async def _create_workspace(tx: AsyncSession, arguments: argparse.Namespace) -> dict[str, Any]:
    user, _ = await accounts.member_by_email(tx, arguments.email, None)
    place = await accounts.add_workspace(tx, user.id, arguments.name)
    return {"workspaceId": str(place.workspace_id), "name": place.workspace.name}


_COMMANDS = {"create-user": _create_user, "create-key": _create_key, "create-workspace": _create_workspace}
