"""The part of `.env.example` about providers: `python -m flowtask_local.credentials_document`."""

import sys

from .credentials import OWNERS, READ


def document() -> str:
    """Every provider credential that `flowtask up` reads from `.env`, under the service that alone receives it.

    Settings of ours among them are described with the other settings of the service.
    """
    parts = [
        "\n# --- Provider credentials, read from `.env` by `flowtask up`; each goes to one service and nobody else. ---\n",
    ]
    for service, names in OWNERS.items():
        parts.append(f"\n# {service}\n")
        parts.extend(
            f"# {name}={'' if name in READ else '  # no service reads it yet'}\n"
            for name in names
            if not name.startswith("FLOWTASK_")
        )
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(document())
