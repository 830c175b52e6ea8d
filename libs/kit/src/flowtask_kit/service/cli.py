"""The command line of every service: `serve`, `migrate`, and what it adds itself."""

import argparse
import sys
from collections.abc import Callable
from typing import TypeVar

from fastapi import FastAPI
from pydantic import ValidationError

from flowtask_kit.database.migrations import MigrationSet
from flowtask_kit.service.server import serve
from flowtask_kit.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)


def read_settings(kind: type[S]) -> S:
    """Settings from the environment; ends the process with 2 and one line per setting that is missing or wrong."""
    try:
        return kind()
    except ValidationError as error:
        for item in error.errors(include_input=False):
            sys.stderr.write(f"FLOWTASK_{str(item['loc'][0]).upper()}: {item['msg']}\n")
        raise SystemExit(2) from None


def parser_of(
    program: str, description: str
) -> tuple[argparse.ArgumentParser, "argparse._SubParsersAction[argparse.ArgumentParser]"]:
    """A parser with `serve` and `migrate`; add further commands to the second value."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("serve", help="serve until SIGTERM")
    commands.add_parser("migrate", help="bring the service's schema to this version")
    return parser, commands


def run(command: str, settings: S, migrations: MigrationSet, create_app: Callable[[S], FastAPI]) -> None:
    """Run `serve` or `migrate`."""
    if command == "migrate":
        migrations.upgrade(settings.database_url.get_secret_value())
    else:
        serve(create_app(settings), settings)
