import subprocess
import sys

from flowtask_local.listen.records import Record, left

BEGIN = """
import sys
from pathlib import Path
from flowtask_local.listen.records import Record
record = Record.begin(Path(sys.argv[1]), "w1", {"url": "http://there"})
print(record.entry.key, flush=True)
sys.stdin.read()
"""


def other_listener(folder):
    return subprocess.Popen(
        [sys.executable, "-c", BEGIN, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_a_record_is_nobody_elses_while_its_listener_lives_and_is_found_after_a_sigkill(tmp_path):
    folder = tmp_path / "listeners"
    with other_listener(folder) as other:
        key = other.stdout.readline().strip()
        assert list(left(folder)) == []
        assert [path.stem for path in folder.iterdir()] == [key]
        other.kill()
        other.wait()

        [entry] = [record.entry for record in left(folder)]
    assert (entry.key, entry.workspace_id, entry.body, entry.endpoint_id) == (key, "w1", {"url": "http://there"}, None)


def test_one_that_is_looked_at_is_not_seen_by_another_and_stays_until_it_is_dropped(tmp_path):
    Record.begin(tmp_path, "w1", {}).leave()
    looking = left(tmp_path)
    record = next(looking)
    assert list(left(tmp_path)) == []
    looking.close()

    [record] = left(tmp_path)
    assert list(tmp_path.iterdir())
    record.drop()
    assert list(tmp_path.iterdir()) == []


def test_the_id_is_written_over_what_was_there_and_only_the_owner_reads_it(tmp_path):
    record = Record.begin(tmp_path / "listeners", "w1", {"events": ["*"]})
    record.note("e1")
    record.note("e")
    record.leave()
    record.leave()

    [path] = (tmp_path / "listeners").iterdir()
    assert [one.entry.endpoint_id for one in left(path.parent)] == ["e"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_was_never_written_to_its_end_goes(tmp_path):
    for number, text in enumerate(("", "{", "[]", '{"other": 1}', '"text"')):
        (tmp_path / f"listen-{number}.json").write_text(text)

    assert list(left(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []
