"""`.env.example`, written from the settings classes: `python -m flowtask_kit.settings_document module:Class ...`."""

import importlib
import sys
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_json
from pydantic_settings import BaseSettings


def document(sections: list[tuple[str, type[BaseSettings]]]) -> str:
    """Every setting of each section with its description; a setting is named where it first appears."""
    seen: set[str] = set()
    parts = [
        "# Every setting of every program, generated from the code. What is commented out shows its default, or an\n# example where it has none.\n"
    ]
    for title, kind in sections:
        prefix = kind.model_config.get("env_prefix", "")
        lines = [f"\n# --- {title} ---\n"]
        for name, field in kind.model_fields.items():
            variable = f"{prefix}{name}".upper()
            if variable in seen:
                continue
            seen.add(variable)
            lines.append(f"\n# {field.description}\n{_assignment(variable, field)}\n")
        parts.extend(lines)
    return "".join(parts)


def _assignment(variable: str, field: FieldInfo) -> str:
    """Required settings stand open with their example, the others are commented out with their default."""
    if field.is_required():
        example = field.examples[0] if field.examples else ""
        return f"{variable}={example}"
    default: Any = field.default
    if default is PydanticUndefined or default is None or default == ():
        default = field.examples[0] if field.examples else ""
    if isinstance(default, dict):
        default = to_json(default).decode()
    return f"# {variable}={str(default).lower() if isinstance(default, bool) else default}"


def main() -> None:
    """Print the document of the classes named on the command line."""
    sections = []
    for argument in sys.argv[1:]:
        module, _, name = argument.partition(":")
        kind = getattr(importlib.import_module(module), name)
        sections.append((" ".join(str(kind.__doc__).split("\n", maxsplit=1)[0].split()), kind))
    sys.stdout.write(document(sections))


if __name__ == "__main__":
    main()
