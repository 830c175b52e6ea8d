import os
import subprocess
import sys
from pathlib import Path

import notes
import orjson
import pytest

TESTS = str(Path(notes.__file__).parents[1])


@pytest.fixture
def run(world):
    """The command line of the notes service: status, what it said, what it complained of."""

    def call(*arguments, **changes):
        settings = world.settings()
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": TESTS,
            "FLOWTASK_DATABASE_URL": settings.database_url.get_secret_value(),
            "FLOWTASK_NATS_URL": settings.nats_url.get_secret_value(),
            **changes,
        }
        done = subprocess.run(
            [sys.executable, "-m", "notes.jobs", *arguments], env=env, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr

    return call


async def test_operators_see_the_jobs_with_their_last_and_next_run(run, world):
    status, said, _ = run("jobs")
    assert status == 0
    head, tidy, spoil = said.splitlines()
    assert head.split("  ")[0].strip() == "JOB"
    assert tidy.split()[0] == "tidy"
    assert spoil.split()[0] == "spoil"
    assert "never run" in tidy
    assert tidy.split()[-1] == "2069-12-07T00:00:00Z"

    assert run("run-job", "tidy")[:2] == (0, "tidy: done\n")
    world.sql(
        "INSERT INTO notes.job_runs VALUES ('spoil', now() - interval '1 h', 1, 0, now(), now() + interval '1 h', now())"
    )
    _, tidy, spoil = run("jobs")[1].splitlines()
    assert "done" in tidy
    assert "under way" in spoil


async def test_a_run_by_hand_is_a_run_like_any_other(run, world):
    for _ in range(2):
        assert run("run-job", "tidy") == (0, "tidy: done\n", "")
    assert world.count("notes") == world.count("job_runs") == 2
    world.sql("UPDATE notes.job_runs SET finished_at = NULL, lease_until = now() + interval '1 h'")
    status, _, complaint = run("run-job", "tidy")
    assert status == 1
    assert "tidy is being run" in complaint
    assert world.count("notes") == 2


async def test_a_run_by_hand_that_fails_says_so_and_logs_why(run):
    status, said, complaint = run("run-job", "spoil")
    assert (status, complaint) == (1, "spoil failed: LookupError; it is tried again by itself\n")
    assert orjson.loads(said)["event"] == "job failed"
    assert "failed 1 times: LookupError" in run("jobs")[1]


async def test_what_cannot_be_done_is_one_line(run):
    assert run("run-job", "weed")[0::2] == (2, "There is no job 'weed'; there are: tidy, spoil\n")
    status, _, complaint = run("jobs", FLOWTASK_DATABASE_URL="postgresql://u:hunter2@127.0.0.1:1/d")
    assert status == 1
    assert complaint.startswith("The database cannot be reached")
    assert "hunter2" not in complaint
