"""The command line, as real processes."""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import orjson
import pytest

from flowtask_api.main import main
from flowtask_local.ports import free_port

PROGRAM = Path(sys.executable).with_name("flowtask-api")


@pytest.fixture
def environment(databases):
    return {
        "PATH": os.environ["PATH"],
        "FLOWTASK_DATABASE_URL": databases.api,
        "FLOWTASK_NATS_URL": "nats://api:api@127.0.0.1:1",
    }


@pytest.fixture
def run(environment):
    async def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run,
            [PROGRAM, *arguments],
            env={**environment, **changes},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def printed(done: subprocess.CompletedProcess[str]) -> dict:
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return orjson.loads(done.stdout)


async def test_a_user_and_keys_are_made_from_the_command_line(run, stranger, db):
    first, again = await asyncio.gather(
        run("create-user", "--email", "Ada@Example.com", "--name", "Ada"),
        run("create-user", "--email", "ada@example.com", "--name", "Ada"),
    )
    user = printed(first)
    assert set(user) == {"userId", "workspaceId"}
    assert printed(again) == user

    operator, elsewhere, narrow, shared = await asyncio.gather(
        run(
            "create-key", "--email", "ADA@example.com", "--name", "k", "--operator", "--workspace", user["workspaceId"]
        ),
        run("create-key", "--email", "ada@example.com", "--name", "k", "--workspace", user["userId"]),
        run(
            *("create-key", "--email", "ada@example.com", "--name", "k", "--scope", "tasks:read", "--scope", "read"),
            *("--expires-at", "2999-01-01T00:00:00+01:00"),
        ),
        run("create-workspace", "--email", "Ada@example.com", "--name", "Engines"),
    )
    made = printed(shared)
    assert (set(made), made["name"]) == ({"workspaceId", "name"}, "Engines")
    assert made["workspaceId"] != user["workspaceId"]
    key = printed(operator)
    assert set(key) == {"id", "name", "key", "workspaceId", "operator", "scopes", "expiresAt"}
    assert (key["scopes"], key["expiresAt"]) == (["admin"], None)
    assert (key["workspaceId"], key["operator"]) == (user["workspaceId"], True)
    me = (await stranger.get("/api/v1/me", headers={"authorization": f"Bearer {key['key']}"})).json()["data"]
    assert (me["email"], me["operator"]) == ("ada@example.com", True)
    other = printed(narrow)
    assert (other["scopes"], other["expiresAt"]) == (["read", "tasks:read"], "2998-12-31T23:00:00.000Z")
    told = await db.fetch("SELECT target_id::text, actor_id FROM api.audit_entries WHERE action = 'api_key.created'")
    assert sorted(map(tuple, told)) == sorted([(key["id"], None), (other["id"], None)])
    assert (elsewhere.returncode, elsewhere.stdout) == (1, "")
    assert "not a member" in elsewhere.stderr
    assert elsewhere.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "argument",
    [
        *("--scope=root", "--scope=", "--scope=read,write", "--workspace=1", "--expires-at=2020-01-01T00:00:00Z"),
        *("--expires-at=2999-01-01T00:00:00", "--expires-at=2999-01-01", "--expires-at=9999-12-31T23:59:59-10:00"),
    ],
)
def test_a_key_that_cannot_be_is_refused_before_anything_is_done(monkeypatch, capsys, argument):
    monkeypatch.setattr(sys, "argv", ["flowtask-api", "create-key", "--email", "a@b", "--name", "k", argument])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert argument.partition("=")[0] in capsys.readouterr().err


async def test_what_is_wrong_is_said_in_one_line(run):
    wrong, away = await asyncio.gather(
        run("serve", FLOWTASK_DATABASE_URL="mysql://x", FLOWTASK_PORT="99999"),
        run("create-user", "--email", "a@b", "--name", "x", FLOWTASK_DATABASE_URL="postgresql://x:y@127.0.0.1:1/z"),
    )

    assert (wrong.returncode, away.returncode) == (2, 1)
    assert wrong.stderr.startswith("FLOWTASK_DATABASE_URL: ")
    assert wrong.stderr.count("\n") == 2
    assert away.stderr.count("\n") == 1


async def test_it_serves_until_sigterm_and_ends_with_0(environment):
    port = free_port()
    process = await asyncio.to_thread(
        subprocess.Popen,
        [PROGRAM, "serve"],
        env={**environment, "FLOWTASK_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30):
            while await asyncio.to_thread(_status, port) != 200:
                assert process.poll() is None
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 20) == 0
    finally:
        process.kill()
        process.wait()


def _status(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
