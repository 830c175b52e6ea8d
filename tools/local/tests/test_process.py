import os
import sys

import pytest

from flowtask_local.errors import NotReadyError, ProcessEndedError
from flowtask_local.process import Process, run_to_end


@pytest.fixture
def run():
    """Makes processes of shell scripts; ends them after the test."""
    made = []

    def make(script, **options):
        process = Process("script", ["/bin/sh", "-c", script], env={"PATH": os.environ["PATH"]}, **options)
        made.append(process)
        return process

    yield make
    for process in made:
        process.close()


def test_output_is_kept_in_memory_in_the_log_and_handed_on(run, tmp_path):
    heard = []
    process = run(
        "echo one; echo two >&2; printf three",
        log_path=tmp_path / "logs" / "script.log",
        on_line=lambda name, line: heard.append((name, line)),
    )

    process.start()
    assert process.wait(5) == 0
    process.close()

    assert process.log_lines == ["one", "two", "three"]
    assert heard == [("script", "one"), ("script", "two"), ("script", "three")]
    assert (tmp_path / "logs" / "script.log").read_text() == "one\ntwo\nthree\n"


def test_waiting_for_a_process_that_ends_fails_at_once_with_its_last_words(run):
    process = run("echo the reason; exit 3")
    process.start()

    with pytest.raises(ProcessEndedError, match=r"script ended with exit code 3(?s:.*)the reason"):
        process.wait_until(lambda: False, "a wonder", timeout=60)


def test_waiting_too_long_says_what_did_not_happen_and_shows_the_log(run):
    process = run("echo still here; sleep 1000")
    process.start()
    process.wait_for_line("still here")

    with pytest.raises(NotReadyError, match=r"a wonder did not happen within 0.1 s(?s:.*)still here"):
        process.wait_until(lambda: False, "a wonder", timeout=0.1)


def test_a_program_that_does_not_exist_is_named(tmp_path):
    with Process("nothing", [tmp_path / "no such program"], env={}) as process:
        process.start()

        with pytest.raises(ProcessEndedError, match="no such program: No such file or directory"):
            process.wait_until(lambda: False, "a wonder", timeout=10)


def test_terminate_is_polite_first_and_kill_is_not(run):
    polite = run('trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.05; done')
    polite.start()
    polite.wait_for_line("up")
    assert polite.terminate(grace=5) == 0
    polite.close()
    assert polite.log_lines[-1] == "bye"

    crashed = run("echo up; sleep 1000")
    crashed.start()
    assert crashed.kill() == -9
    assert not crashed.running


def test_terminate_becomes_impolite_when_it_is_ignored(run):
    stubborn = run('trap "" TERM; echo up; while :; do sleep 0.05; done')
    stubborn.start()
    stubborn.wait_for_line("up")

    assert stubborn.terminate(grace=0.2) == -9


def test_a_process_starts_again_with_variables_for_one_start_alone(run):
    process = run('echo "told: $EXTRA"')

    for extra in ({"EXTRA": "yes"}, {}):
        process.start(env=extra)
        process.wait(5)
    process.close()

    assert process.log_lines == ["told: yes", "told: "]


def test_what_the_leader_leaves_in_its_group_goes_with_it(run, living, eventually):
    process = run("sleep 1000 & echo $!; exit 0")
    process.start()
    process.wait(5)
    process.close()

    eventually(lambda: not living([int(process.log_lines[0])]))


def test_a_child_has_only_the_environment_it_is_given():
    with Process("env", [sys.executable, "-c", "import os; print(sorted(os.environ))"], env={"LC_ALL": "C"}) as process:
        process.start()
        process.wait(5)

    assert process.log_lines == ["['LC_ALL']"]


def test_a_lock_is_waited_for_and_goes_with_its_holder(run, tmp_path):
    first = run("echo mine; sleep 1000", lock=tmp_path / "lock")
    second = run("echo mine; sleep 1000", lock=tmp_path / "lock")
    first.start()
    first.wait_for_line("mine")

    second.start()
    with pytest.raises(NotReadyError):
        second.wait_for_line("mine", timeout=0.3)
    first.kill()

    second.wait_for_line("mine")


def test_signals_that_the_parent_ignores_are_not_ignored_by_the_child():
    with Process(
        "signals",
        [sys.executable, "-S", "-c", "import signal as s; print(s.getsignal(s.SIGTERM), s.getsignal(s.SIGHUP))"],
        env={},
    ) as process:
        process.start()
        process.wait(5)

    assert process.log_lines == ["0 0"]


def test_the_last_words_of_a_command_that_fails_are_always_told(run):
    for _ in range(20):
        with pytest.raises(ProcessEndedError, match="the reason"):
            run_to_end([run("echo the reason; exit 3")], timeout=20)
