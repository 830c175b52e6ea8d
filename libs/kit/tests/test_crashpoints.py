import subprocess
import sys

import pytest

from flowtask_kit.crashpoints import arm, crashpoint


def run(spec, code):
    program = f"from flowtask_kit.crashpoints import arm, crashpoint\narm({spec!r})\n{code}"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def test_a_point_that_is_not_armed_is_passed():
    arm("")
    for _ in range(3):
        crashpoint("outbox.after-commit")


def test_an_armed_point_kills_the_process_at_the_given_pass_and_runs_no_cleanup():
    done = run(
        "relay.after-publish:3, other",
        "try:\n for n in range(9): print(n, flush=True); crashpoint('relay.after-publish')\nfinally: print('cleaned up')",
    )
    assert done.returncode == -9
    assert done.stdout.split() == ["0", "1", "2"]
    assert '"crashpoint":"relay.after-publish"' in done.stderr


def test_without_a_number_the_first_pass_kills():
    assert run("a.b", "crashpoint('a.c'); crashpoint('a.b')").returncode == -9


@pytest.mark.parametrize("spec", ["a:x", "a:", ":1", "a:0", "a:-1", "a:1:2", "a b", "A", "a;b"])
def test_a_spec_that_cannot_be_read_is_refused(spec):
    with pytest.raises(ValueError, match="not a crashpoint"):
        arm(spec)


def test_arming_anew_forgets_what_was_armed():
    arm("a.b:1")
    arm(" , ")
    crashpoint("a.b")
