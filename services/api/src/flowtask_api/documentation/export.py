"""`python -m flowtask_api.documentation.export` prints docs/openapi.json, as a server with no settings of its own serves it."""

import json
import sys

from pydantic import SecretStr

from ..app import create_app
from ..settings import ApiSettings


def exported() -> str:
    """The whole of docs/openapi.json."""
    settings = ApiSettings(
        database_url=SecretStr("postgresql://nobody@localhost/nothing"), nats_url=SecretStr("nats://localhost")
    )
    document = create_app(settings).state.documentation.document()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Print it."""
    sys.stdout.write(exported())


if __name__ == "__main__":
    main()
