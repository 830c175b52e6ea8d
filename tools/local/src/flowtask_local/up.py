"""`flowtask up`: everything, until Ctrl-C."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from . import credentials as provider_credentials
from .running import Running
from .screen import Screen
from .session import Session
from .signals import LOOK_SECONDS, Interrupted, Signals, in_background, until_done
from .stack import Stack

_ENV_FILE = Path(".env")
_FORCED = 130


def up(home: Path, *, quiet: bool = False, with_parent: bool = False, bin_dir: Path | None = None) -> int:
    """Start, show logs, end at SIGINT, SIGTERM, SIGHUP (and `with_parent` when the parent is gone); the exit code."""
    parent = os.getppid()
    credentials = provider_credentials.read_env_file(_ENV_FILE)
    with Signals() as signals, Screen(quiet=quiet) as screen:
        began = time.monotonic()
        stack = Stack(home, credentials=credentials, fixed_ports=True, on_line=screen.line, bin_dir=bin_dir)
        session = Session(stack, screen)
        try:
            found = until_done(in_background(session.start, "start"), signals)
            _introduce(screen, stack, found, credentials, time.monotonic() - began)
            screen.stream()
            while not signals.count and not (with_parent and os.getppid() != parent):
                time.sleep(LOOK_SECONDS)
        except Interrupted:
            pass
        finally:
            forced = end(session, screen, signals)
    return _FORCED if forced else 0


def end(session: Session, screen: Screen, signals: Signals) -> bool:
    """End the session in good order; one more signal and all is killed. True if that happened."""
    before, forced = signals.count, False
    if before:
        screen.say("Ending; Ctrl-C once more forces it.", "bold")
    closing = in_background(session.close, "end")
    while not closing.done():
        if signals.count > before and not forced:
            forced = True
            session.kill()
        time.sleep(LOOK_SECONDS / 2)
    closing.result()
    if before:
        screen.say("Killed." if forced else "Ended; nothing runs any more.", "bold")
    return forced


def _introduce(screen: Screen, stack: Stack, found: Running, credentials: Mapping[str, str], seconds: float) -> None:
    for name, (wished, given) in stack.replaced_ports.items():
        screen.say(f"Port {wished} is taken: {name} listens on {given}.", "yellow")
    screen.say(
        f"""
FlowTask is ready after {seconds:.1f} s.

  API          {found.api_url}
  demo key     {found.api_key}
  logs         {stack.home.path / "logs"}

Make a first project:

  curl {found.api_url}/api/v1/projects \\
    -H 'Authorization: Bearer {found.api_key}' \\
    -H 'Content-Type: application/json' \\
    -d '{{"name": "My first project"}}'

`flowtask demo` in another terminal shows webhooks arrive, `flowtask listen` those of your own calls.
No mail leaves this machine: what would be sent stands under {found.api_url}/api/v1/emails.
There are no payments either: every workspace is on the FREE plan."""
    )
    for notice in _notices(credentials):
        screen.say(notice, "yellow")
    screen.say("Ctrl-C stops.\n", "bold")


def _notices(credentials: Mapping[str, str]) -> list[str]:
    """What is set but has no effect, so that nobody waits for it."""
    ignored = [name for name in ("FLOWTASK_DATABASE_URL", "FLOWTASK_NATS_URL") if os.environ.get(name)]
    return [
        *(f"{name} is set, but no service reads it yet." for name in provider_credentials.unread(credentials)),
        *(f"{name} is set, but this stack has servers of its own; see `flowtask up --help`." for name in ignored),
    ]
