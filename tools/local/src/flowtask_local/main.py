"""`flowtask`: a whole FlowTask on this machine. What goes wrong is told in a sentence, never as a stack trace."""

import argparse
import sys
from pathlib import Path

_OWN_SERVERS = """\
`flowtask up` starts a PostgreSQL and a NATS of its own and tells the services where they are. To use servers that you
already have, run the programs by hand instead, each with its own environment:

  flowtask-bootstrap                  once, and again after each update: roles, schemas, streams, consumers
    FLOWTASK_BOOTSTRAP_DATABASE_URL     PostgreSQL URL of an administrator, in the database to use
    FLOWTASK_BOOTSTRAP_NATS_URL         NATS URL of a user that may make streams
    FLOWTASK_BOOTSTRAP_ROLE_PASSWORDS   {"api": "...", "webhook-dispatcher": "...", "billing": "...", "mailer": "..."}
  flowtask-api migrate, then flowtask-api serve
    FLOWTASK_DATABASE_URL               postgresql://flowtask_api:...@host:5432/flowtask
    FLOWTASK_NATS_URL                   nats://api:...@host:4222
    FLOWTASK_PORT                       its HTTP port, 8000 when not said
  flowtask-webhook-dispatcher migrate, then flowtask-webhook-dispatcher serve
    FLOWTASK_DATABASE_URL               postgresql://flowtask_webhook_dispatcher:...@host:5432/flowtask
    FLOWTASK_NATS_URL                   nats://webhook-dispatcher:...@host:4222
    FLOWTASK_PORT                       its HTTP port, 8410 when not said
    FLOWTASK_WEBHOOKS_SECRET_KEYS       id:base64 of 32 bytes; encrypts the secrets of endpoints
    FLOWTASK_WEBHOOKS_ALLOW_HTTP, FLOWTASK_WEBHOOKS_ALLOW_PRIVATE_NETWORKS, FLOWTASK_WEBHOOKS_PORTS   for receivers on this machine
  flowtask-billing and flowtask-mailer, each migrate, then serve
    FLOWTASK_DATABASE_URL               postgresql://flowtask_billing:... or flowtask_mailer:...@host:5432/flowtask
    FLOWTASK_NATS_URL                   nats://billing:... or mailer:...@host:4222
    FLOWTASK_PORT                       their HTTP ports, 8420 and 8430 when not said

Ends with 0 after a graceful end, 1 when something is wrong, 2 when the folder is held by another `flowtask up`.
"""

_LISTENING = """\
Examples:
  flowtask listen --events 'task.*'
  flowtask listen --forward http://localhost:3000/hooks

Each line tells the time, the event's type and id (webhook-id), the status that FlowTask was answered, and the milliseconds
from the event to its arrival. With --forward your app gets the same bytes and headers, and FlowTask gets your app's answer;
502 and 504 stand for an app that could not be reached or took longer than 9 s. The endpoint is removed at the end.

Ends with 0 after Ctrl-C, 1 when something is wrong.
"""


def main() -> None:
    """Run from the command line."""
    if sys.version_info < (3, 11):  # noqa: UP036 - a wrong interpreter gets a sentence instead of a stack trace
        sys.exit("FlowTask needs Python 3.11 or newer; this is {}.{}.".format(*sys.version_info[:2]))
    arguments = _parser().parse_args()
    home = Path(arguments.home)
    try:
        from .troubles import told  # noqa: PLC0415 - each command loads what it needs, so that `down` is quick

        code = told(home, lambda: _run(home, arguments))
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _run(home: Path, arguments: argparse.Namespace) -> int:
    if arguments.command == "up":
        from .up import up  # noqa: PLC0415

        return up(home, quiet=arguments.quiet, with_parent=arguments.with_parent)
    if arguments.command == "demo":
        from .demo.main import demo  # noqa: PLC0415

        return demo(home)
    if arguments.command == "listen":
        from .listen.main import listen  # noqa: PLC0415

        return listen(
            home,
            events=[one.strip() for given in arguments.events or ["*"] for one in given.split(",") if one.strip()],
            forward_to=arguments.forward,
            for_machines=arguments.json,
        )
    if arguments.command == "doctor":
        from .doctor.main import doctor  # noqa: PLC0415

        return doctor(home, as_json=arguments.json)
    if arguments.command == "reset":
        from .reset import reset  # noqa: PLC0415

        return reset(home, yes=arguments.yes)
    from .down import down  # noqa: PLC0415

    return down(home)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flowtask", description="A whole FlowTask on this machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    up = commands.add_parser(
        "up",
        help="start PostgreSQL, NATS and every service; Ctrl-C ends them",
        description="Start PostgreSQL, NATS and every service, and show their logs until Ctrl-C. A second Ctrl-C forces the end.",
        epilog=_OWN_SERVERS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    up.add_argument("--quiet", action="store_true", help="show no progress and no logs of services")
    up.add_argument(
        "--with-parent", action="store_true", help="end also when the process that started this one is gone, as make's"
    )
    down = commands.add_parser("down", help="end a FlowTask that was started from this folder")
    demo = commands.add_parser("demo", help="see a task's webhooks arrive at a receiver, signatures checked")
    listen = commands.add_parser(
        "listen",
        help="show webhooks as they come, and forward them to your app",
        description="Show the webhooks of the FlowTask that runs in this folder until Ctrl-C, each with its signatures checked.",
        epilog=_LISTENING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    listen.add_argument(
        "--events",
        action="append",
        metavar="PATTERN",
        help="event types, `<group>.*` or `*`, comma-separated or given several times; `*` when not said",
    )
    listen.add_argument("--forward", metavar="URL", help="POST each webhook to your app, and answer as it does")
    listen.add_argument("--json", action="store_true", help="one JSON object per line; notices go to stderr")
    doctor = commands.add_parser(
        "doctor", help="check this machine and this folder, and say what to do; changes nothing"
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    reset = commands.add_parser("reset", help="remove the local data, after asking")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    for command in (up, down, demo, listen, doctor, reset):
        command.add_argument(
            "--home",
            default=".flowtask",
            metavar="DIR",
            help="where data, logs and secrets lie; .flowtask in the current folder when not said",
        )
    return parser


if __name__ == "__main__":
    main()
