from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtask_kit.schedule.jobs import Job
from flowtask_kit.schedule.when import Cron, Every


def at(text):
    return datetime.fromisoformat(f"{text}Z")


@pytest.mark.parametrize(
    ("when", "now", "latest", "after"),
    [
        (Cron("30 3 * * *"), "2026-02-28T03:29:59.999999", "2026-02-27T03:30:00", "2026-02-28T03:30:00"),
        (Cron("30 3 * * *"), "2026-02-28T03:30:00", "2026-02-28T03:30:00", "2026-03-01T03:30:00"),
        (Cron("30 3 * * *"), "2026-02-28T03:30:00.000001", "2026-02-28T03:30:00", "2026-03-01T03:30:00"),
        (Cron("*/15 * * * *"), "2026-12-31T23:59:00", "2026-12-31T23:45:00", "2027-01-01T00:00:00"),
        (Cron("0 9 * * MON-FRI"), "2026-11-22T12:00:00", "2026-11-20T09:00:00", "2026-11-23T09:00:00"),
        (Cron("0 0 29 2 *"), "2026-01-01T00:00:00", "2024-02-29T00:00:00", "2028-02-29T00:00:00"),
        (Every(timedelta(hours=6)), "2026-01-01T05:59:59.999999", "2026-01-01T00:00:00", "2026-01-01T06:00:00"),
        (Every(timedelta(hours=6)), "2026-01-01T06:00:00", "2026-01-01T06:00:00", "2026-01-01T12:00:00"),
        (Every(timedelta(seconds=1)), "2026-01-01T06:00:00.5", "2026-01-01T06:00:00", "2026-01-01T06:00:01"),
    ],
)
def test_slots(when, now, latest, after):
    assert (when.latest(at(now)), when.after(at(now))) == (at(latest), at(after))


@given(
    st.sampled_from([Cron("7 * * * *"), Cron("0 4 1,15 * *"), Every(timedelta(minutes=7)), Every(timedelta(days=3))]),
    st.floats(0, 20 * 365 * 86400).map(lambda seconds: at("2020-01-01T00:00:00") + timedelta(seconds=seconds)),
)
def test_slots_follow_each_other_without_a_gap(when, now):
    latest, after = when.latest(now), when.after(now)
    assert latest <= now < after
    assert when.after(latest) == after
    assert when.latest(after - timedelta(microseconds=1)) == latest


def test_slots_do_not_depend_on_the_time_zone_the_time_is_told_in():
    tokyo = timezone(timedelta(hours=9))
    assert Cron("0 3 * * *").latest(at("2026-01-01T10:00:00").astimezone(tokyo)) == at("2026-01-01T03:00:00")


@pytest.mark.parametrize(
    "line",
    ["", "* * * *", "0 * * * * *", "60 * * * *", "* 24 * * *", "* * 30 2 *", "* * * 13 *", "* * * * 8", "x * * * *",
     "*/0 * * * *", "5-1 * * * *", "@daily", "@every 1h", "0 0 31 4,6 *"],
)  # fmt: skip
def test_a_line_that_is_none_or_never_comes_is_refused_where_it_is_written(line):
    with pytest.raises(ValueError, match="not a cron line"):
        Cron(line)


@pytest.mark.parametrize(
    "period", [timedelta(0), timedelta(seconds=-1), timedelta(seconds=0.5), timedelta(seconds=1.5)]
)
def test_a_period_is_a_whole_number_of_seconds(period):
    with pytest.raises(ValueError, match="whole number of seconds"):
        Every(period)


async def nothing(_resources, _slot):
    pass


@pytest.mark.parametrize("name", ["", "Tidy", "tidy.up", "tidy up", "1st", "x" * 41, ">", "*"])
def test_a_job_has_a_name_that_fits_into_a_subject(name):
    with pytest.raises(ValueError, match="not the name of a job"):
        Job(name=name, when=Cron("0 3 * * *"), takes=timedelta(minutes=1), run=nothing)


def test_a_job_is_given_some_time():
    with pytest.raises(ValueError, match="some time"):
        Job(name="tidy", when=Cron("0 3 * * *"), takes=timedelta(0), run=nothing)
