"""The command line of every service: `serve`, `migrate`, and what it adds itself."""

import argparse
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from flowtask_kit.database.migrations import MigrationSet
from flowtask_kit.outages import is_outage
from flowtask_kit.settings import ServiceSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

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


def run(command: str, settings: S, migrations: MigrationSet, app: str) -> None:
    """Run `serve` or `migrate`; a migration that cannot reach the database ends the process with 1 and one line.

    `app` names the function that makes the app, as `module:function`: it is imported by `serve` alone.
    """
    if command == "migrate":
        with outage_ends_the_process():
            migrations.upgrade(settings.database_url.get_secret_value())
    else:
        from flowtask_kit.service.server import serve  # noqa: PLC0415 - half a second that `migrate` does not need

        module, _, function = app.partition(":")
        create_app: Callable[[S], FastAPI] = getattr(importlib.import_module(module), function)
        serve(create_app(settings), settings)


@contextmanager
def outage_ends_the_process() -> Iterator[None]:
    """For commands that are run by hand: a database or broker that is away is one line on stderr and the status 1."""
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        sys.stderr.write(f"The database cannot be reached: {reason}\n")
        raise SystemExit(1) from None
