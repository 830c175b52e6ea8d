import subprocess
import sys
from pathlib import Path

from flowtask_contracts.commands import COMMANDS
from flowtask_contracts.document import document
from flowtask_contracts.events import INTERNAL, PUBLIC

COMMITTED = Path(__file__).parents[3] / "docs" / "messages.md"


def test_docs_messages_is_current():
    assert COMMITTED.read_text(encoding="utf-8") == document(), (
        "run: python -m flowtask_contracts.document > docs/messages.md"
    )


def test_every_event_and_command_is_told():
    told = document()
    for message in (*PUBLIC, *INTERNAL, *COMMANDS):
        assert f"`{message.bus_subject()}`" in told


def test_the_module_prints_it():
    printed = subprocess.run(
        [sys.executable, "-m", "flowtask_contracts.document"], capture_output=True, check=True, encoding="utf-8"
    )
    assert printed.stdout == document()
