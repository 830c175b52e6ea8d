from collections import Counter

import pytest

from flowtask_contracts.commands import COMMANDS
from flowtask_contracts.events import INTERNAL, PUBLIC, PUBLIC_TYPES
from flowtask_contracts.topology import FLOWTASK

SERVICES = {service.name: service for service in FLOWTASK.services}
STREAMS = {stream.name: stream for stream in FLOWTASK.streams}
EVENTS = (*PUBLIC, *INTERNAL)


def covers(pattern, subject):
    """Whether a NATS pattern takes everything that a subject, itself perhaps a pattern, stands for."""
    wanted, given = pattern.split("."), subject.split(".")
    for position, token in enumerate(wanted):
        if token == ">":
            return len(given) > position
        if position >= len(given) or given[position] == ">" or token not in {"*", given[position]}:
            return False
    return len(given) == len(wanted)


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("a.>", "a.b", True),
        ("a.>", "a.b.>", True),
        ("a.>", "a", False),
        ("a.*", "a.b", True),
        ("a.*", "a.>", False),
        ("a.b", "a.c", False),
        ("a.b", "a.b.c", False),
    ],
)
def test_the_way_these_tests_read_patterns(pattern, subject, expected):
    assert covers(pattern, subject) is expected


@pytest.mark.parametrize("attribute", ["name", "schema", "role"])
def test_services_have_their_own_names_schemas_and_roles(attribute):
    values = [getattr(service, attribute) for service in FLOWTASK.services]
    assert len(set(values)) == len(values)


def test_streams_and_durables_have_their_own_names():
    assert len(STREAMS) == len(FLOWTASK.streams)
    assert max(Counter((durable.stream, durable.name) for durable in FLOWTASK.durables).values()) == 1


def test_no_subject_belongs_to_two_streams():
    subjects = [subject for stream in FLOWTASK.streams for subject in stream.subjects]
    assert not [(one, two) for one in subjects for two in subjects if one != two and covers(one, two)]
    assert len(set(subjects)) == len(subjects)


@pytest.mark.parametrize("durable", FLOWTASK.durables, ids=lambda durable: durable.name)
def test_a_durable_belongs_to_a_service_and_its_filters_lie_inside_its_stream(durable):
    assert durable.service in SERVICES
    assert durable in FLOWTASK.durables_of(durable.service)
    assert durable.filters
    for wanted in durable.filters:
        assert any(covers(subject, wanted) for subject in STREAMS[durable.stream].subjects)


@pytest.mark.parametrize("stream", FLOWTASK.streams, ids=lambda stream: stream.name)
def test_a_stream_is_read_and_who_clears_it_hears_all_of_it(stream):
    """So that no message can be in nobody's way for ever."""
    readers = FLOWTASK.readers_of(stream)
    assert readers
    assert all(reader.stream == stream.name for reader in readers)
    if stream.cleared_by is not None:
        mine = [reader for reader in readers if reader.service == stream.cleared_by]
        assert any(covers(wanted, said) for reader in mine for wanted in reader.filters for said in stream.subjects)
        assert not stream.holds_schedules


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_is_stored_by_one_stream_and_published_by_one_service(event):
    subject = event.bus_subject()
    assert [s.name for s in FLOWTASK.streams if any(covers(p, subject) for p in s.subjects)] == [
        "EVENTS" if event.public else "INTERNAL"
    ]
    assert len([s for s in FLOWTASK.services if any(covers(p, subject) for p in s.publishes)]) == 1


@pytest.mark.parametrize("service", FLOWTASK.services, ids=lambda service: service.name)
def test_what_a_service_may_publish_is_stored_and_nobody_elses(service):
    for subject in service.publishes:
        assert any(covers(pattern, subject) for stream in FLOWTASK.streams for pattern in stream.subjects)
        others = [other for other in FLOWTASK.services if other is not service]
        assert not [
            o.name for o in others for theirs in o.publishes if covers(theirs, subject) or covers(subject, theirs)
        ]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_a_command_goes_to_a_service_that_exists_and_somebody_may_ask(command):
    assert command.service in SERVICES
    assert [
        asker.name for asker in FLOWTASK.services if command.service in asker.asks and asker.name != command.service
    ]


def test_commands_have_their_own_subjects_and_conceal_only_what_they_answer():
    assert len({command.bus_subject() for command in COMMANDS}) == len(COMMANDS)
    for command in COMMANDS:
        assert command.concealed <= command.answer.model_fields.keys()
        assert not command.concealed or "secret_shown" in command.answer.model_fields


def test_services_ask_services_that_exist():
    assert {asked for service in FLOWTASK.services for asked in service.asks} <= SERVICES.keys()


def test_event_types_are_unique_and_the_public_ones_are_listed():
    assert len({event.type for event in EVENTS}) == len(EVENTS)
    assert [event.type for event in PUBLIC] == list(PUBLIC_TYPES)
    assert all(event.public for event in PUBLIC)
    assert not any(event.public for event in INTERNAL)


def test_an_unknown_service_is_a_key_error():
    with pytest.raises(KeyError):
        FLOWTASK.service("weather")
