"""The curl samples of the description, typed into a shell."""

import asyncio
import json
import os
import shutil

import pytest

from flowtask_api.documentation.examples import id_of

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")


@pytest.fixture
def shell(app, address, account):
    """Runs the sample of an operation on the app of this test, with other ids; returns status and body."""
    described = app.state.documentation.document()
    operations = {
        operation["operationId"]: operation for item in described["paths"].values() for operation in item.values()
    }

    async def run(name, **ids):
        command = operations[name]["x-codeSamples"][0]["source"]
        command = command.replace("https://flowtask.app", address)
        for kind, actual in ids.items():
            assert id_of(kind) in command
            command = command.replace(id_of(kind), actual)
        process = await asyncio.create_subprocess_exec(
            "sh",
            "-c",
            command + " -sS -w '\\n%{http_code}'",
            env={**os.environ, "FLOWTASK_API_KEY": account.key},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        body, _, status = output.decode().rpartition("\n")
        return int(status), json.loads(body) if body else None

    return run


@pytest.mark.parametrize(("kind", "kinds"), [("task", "tasks"), ("project", "projects")])
async def test_the_samples_list_create_update_and_delete(shell, kind, kinds):
    singular, plural = kind.capitalize(), kinds.capitalize()

    status, created = await shell(f"create{singular}")
    assert status == 201
    identity = created["data"]["id"]

    status, listed = await shell(f"list{plural}")
    assert (status, [each["id"] for each in listed["data"]]) == (200, [identity])
    assert (await shell(f"get{singular}", **{kind: identity}))[0] == 200

    for change in ("update", "patch"):
        status, changed = await shell(f"{change}{singular}", **{kind: identity})
        assert (status, changed["data"]["id"]) == (200, identity)
    assert (await shell(f"delete{singular}", **{kind: identity})) == (204, None)
    assert (await shell(f"get{singular}", **{kind: identity}))[0] == 404
