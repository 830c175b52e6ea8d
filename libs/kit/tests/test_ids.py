import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import pytest

from flowtask_kit.ids import new_id, utc_now, uuid_of


def test_ids_are_uuid7_and_each_sorts_after_the_one_before():
    ids = [new_id() for _ in range(20_000)]
    assert ids == sorted(set(ids))
    assert {(made.version, made.variant) for made in ids} == {(7, RFC_4122)}
    assert [str(made) for made in ids] == sorted(str(made) for made in ids)


def test_an_id_tells_the_millisecond_it_was_made_in_however_many_were_made_before_it():
    for _ in range(20_000):
        new_id()
    before = utc_now()
    made = new_id()
    told = datetime.fromtimestamp((made.int >> 80) / 1000, UTC)
    assert before - timedelta(milliseconds=1) <= told <= utc_now()
    assert UUID(str(made)) == made
    assert type(made) is UUID


@pytest.mark.parametrize("digest", [bytes(16), bytes(range(32)), b"\xff" * 32])
def test_an_id_of_a_digest_is_a_uuid8_and_always_the_same(digest):
    made = uuid_of(digest)
    assert (made.version, made.variant) == (8, RFC_4122)
    assert made == uuid_of(digest) == uuid_of(digest[:16])


def test_other_digests_make_other_ids():
    assert len({uuid_of(bytes([number]) * 16) for number in range(256)}) == 256


def test_ids_of_one_moment_in_two_processes_differ():
    code = "from flowtask_kit.ids import new_id; print(*(new_id().int % 2**62 for _ in range(50)))"
    command = [sys.executable, "-c", code]
    printed = [subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2)]
    assert len(set(b" ".join(printed).split())) == 100


def test_the_clock_is_utc():
    assert utc_now().utcoffset() == timedelta(0)
