"""The API against its own description: Schemathesis makes requests, good and bad, and checks what comes back.

A local FlowTask with all services, every check, negative data, the examples, and chains of requests along the links of the
description, with a key of the owner of a workspace that another person is in, too. `--examples` is how many requests are made for each operation and phase, `--seed` repeats a run; without it
there are two, one with a fixed seed and one with a new one. What is left out stands in schemathesis.toml and
schemathesis_hooks.py. Further options are Schemathesis's own.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import orjson

from flowtask_local.stack import Stack

FIXED_SEED = 20261122
OWNER, OTHER = "owner@example.com", "other@example.com"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
UNLIMITED = {
    "api": {"FLOWTASK_RATE_LIMITS": '{"FREE": [1000000, 1000000]}', "FLOWTASK_FAILED_AUTHENTICATIONS": "1000000"}
}


def run(url: str, caller: Mapping[str, str], *, seed: int, examples: int, options: Sequence[str]) -> int:
    """One run of Schemathesis against the API at a URL, printed as it goes; returns its exit status.

    `caller` is the environment that tells who calls: a key, and an invitation that waits for its person.
    """
    print(f"-- seed {seed}, {examples} examples per operation", flush=True)
    begun = time.monotonic()
    program = [Path(sys.executable).with_name("schemathesis"), f"--config-file={CONFIGURATION}", "run"]
    told = ["--checks=all", f"--seed={seed}", f"--max-examples={examples}", "--no-color", *options]
    status = subprocess.run(
        [*program, f"{url}/openapi.json", *told],
        env={**os.environ, **caller, "FLOWTASK_FUZZED": f"{url}/api/v1"},
        check=False,
    ).returncode
    print(f"-- seed {seed}: {time.monotonic() - begun:.0f} s, exit status {status}", flush=True)
    return status


@contextmanager
def served(url: str | None) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Where to call, and as whom: the URL that was given with FLOWTASK_API_KEY, else a stack of our own."""
    if url is not None:
        yield url.rstrip("/"), {}
        return
    with (
        tempfile.TemporaryDirectory(prefix="flowtask-fuzz-") as folder,
        Stack(Path(folder) / "home", extra_env=UNLIMITED, log_level="warning") as stack,
    ):
        stack.up()
        yield stack.service("api").url, settled(stack)


def settled(stack: Stack) -> Mapping[str, str]:
    """Two people in a workspace, the key of its owner, and an invitation of the owner to where the other one is alone."""
    for email in (OWNER, OTHER):
        stack.run("api", "create-user", "--email", email, "--name", email.partition("@")[0])

    def own(email: str) -> str:
        made = stack.run("api", "create-workspace", "--email", email, "--name", "Engine room")
        return str(made["workspaceId"])

    def key(email: str, *where: str) -> str:
        return str(stack.run("api", "create-key", "--email", email, "--name", "fuzz", *where)["key"])

    def ask(key: str, path: str, body: Mapping[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        asked = Request(f"{stack.service('api').url}/api/v1{path}", orjson.dumps(body), headers)  # noqa: S310 - http, ours
        with urlopen(asked) as answer:  # noqa: S310 - the same
            return orjson.loads(answer.read())["data"]

    shared, elsewhere = own(OWNER), own(OTHER)
    owner, other = key(OWNER, "--workspace", shared), key(OTHER, "--workspace", elsewhere)
    invited = ask(owner, f"/workspaces/{shared}/invitations", {"email": OTHER})
    ask(other, "/invitations/accept", {"token": invited["token"]})
    waiting = ask(other, f"/workspaces/{elsewhere}/invitations", {"email": OWNER})
    return {"FLOWTASK_API_KEY": owner, "FLOWTASK_INVITATION": str(waiting["token"])}


def main() -> None:
    """Try the API out; ends with 1 when anything was found."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--url", help="an API that runs already, to be called with the key in FLOWTASK_API_KEY")
    arguments, options = parser.parse_known_args()
    seeds = [FIXED_SEED, random.randrange(2**31)] if arguments.seed is None else [arguments.seed]
    with served(arguments.url) as (url, caller):
        found = [run(url, caller, seed=seed, examples=arguments.examples, options=options) for seed in seeds]
    raise SystemExit(1 if any(found) else 0)


if __name__ == "__main__":
    main()
