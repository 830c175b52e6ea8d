import asyncio
from dataclasses import replace

import nats.errors
import nats.js.errors
import pytest
from nats.js import api
from notes.contracts import CENSOR, CLERK, COPYIST, READER, SEALER, TOPOLOGY
from notes.world import ADMIN_PASSWORD, eventually

from flowtask_kit.bootstrap.nats import bootstrap_nats


async def test_streams_keep_what_is_unread_and_refuse_when_full(world):
    jetstream = (await world.client()).jetstream()
    for stream in (stream for stream in TOPOLOGY.streams if not stream.holds_schedules):
        config = (await jetstream.stream_info(stream.name)).config
        assert config.subjects == list(stream.subjects)
        assert config.max_bytes == stream.max_bytes
        assert config.storage == api.StorageType.FILE
        cleared = stream.cleared_by is not None
        assert config.retention == (api.RetentionPolicy.LIMITS if cleared else api.RetentionPolicy.INTEREST)
        assert config.discard == api.DiscardPolicy.NEW
        assert config.duplicate_window == 600
        assert config.allow_atomic is True
        assert (config.max_age or 0, config.num_replicas) == (0, 1)


async def test_a_stream_of_schedules_keeps_them_until_they_are_due_and_what_they_ring_until_it_is_heard(world):
    (stream,) = (stream for stream in TOPOLOGY.streams if stream.holds_schedules)
    config = (await (await world.client()).jetstream().stream_info(stream.name)).config
    assert config.allow_msg_schedules is True
    assert config.retention == api.RetentionPolicy.WORK_QUEUE
    assert (config.discard, config.storage) == (api.DiscardPolicy.OLD, api.StorageType.FILE)
    assert (config.subjects, config.max_bytes) == (list(stream.subjects), stream.max_bytes)


@pytest.mark.parametrize("durable", TOPOLOGY.durables, ids=lambda durable: durable.name)
async def test_durables_acknowledge_explicitly_and_give_up_never(world, durable):
    config = (await (await world.client()).jetstream().consumer_info(durable.stream, durable.name)).config
    assert config.durable_name == durable.name
    assert (config.filter_subjects or [config.filter_subject]) == list(durable.filters)
    assert config.ack_policy == api.AckPolicy.EXPLICIT
    assert config.deliver_policy == api.DeliverPolicy.ALL
    assert (config.ack_wait, config.max_ack_pending, config.max_deliver) == (
        durable.ack_wait,
        durable.max_ack_pending,
        -1,
    )
    assert config.deliver_subject is None


async def test_it_can_be_repeated_also_twice_at_once_and_keeps_messages(world):
    client = await world.client()
    await client.jetstream().publish("events.note.written", b"{}")
    url = world.nats.url("admin", ADMIN_PASSWORD)

    await asyncio.gather(*(bootstrap_nats(url, TOPOLOGY, replicas=1) for _ in range(3)))

    assert len(await world.stored()) == 1


async def test_on_an_empty_server_it_can_run_twice_at_once(nats_server_factory):
    server = nats_server_factory()
    await asyncio.gather(*(bootstrap_nats(server.url(), TOPOLOGY, replicas=1) for _ in range(3)))


async def test_changed_settings_take_effect(world):
    url = world.nats.url("admin", ADMIN_PASSWORD)
    changed = replace(
        TOPOLOGY,
        streams=tuple(replace(stream, max_bytes=stream.max_bytes * 2) for stream in TOPOLOGY.streams),
        durables=tuple(replace(durable, ack_wait=7, max_ack_pending=5) for durable in TOPOLOGY.durables),
    )
    jetstream = (await world.client()).jetstream()
    try:
        await bootstrap_nats(url, changed, replicas=1)
        assert (await jetstream.stream_info("EVENTS")).config.max_bytes == changed.streams[0].max_bytes
        config = (await jetstream.consumer_info("EVENTS", READER.name)).config
        assert (config.ack_wait, config.max_ack_pending) == (7, 5)
    finally:
        await bootstrap_nats(url, TOPOLOGY, replicas=1)


async def test_a_stream_that_removed_at_the_ack_is_left_to_a_service_with_all_that_is_in_it(nats_server_factory):
    server = nats_server_factory()
    before = replace(TOPOLOGY, streams=tuple(replace(stream, cleared_by=None) for stream in TOPOLOGY.streams))
    await bootstrap_nats(server.url(), before, replicas=1)
    client = await nats.connect(server.url())
    jetstream = client.jetstream()
    for word in ("plain", "secret", "plain", "secret"):
        await jetstream.publish(f"journal.note.{word}", b"{}")
    for durable in (COPYIST, CENSOR):
        subscription = await jetstream.pull_subscribe_bind(durable.name, "JOURNAL")
        (message,) = await subscription.fetch(1, timeout=5)
        await message.ack_sync()

    await bootstrap_nats(server.url(), TOPOLOGY, replicas=1)

    info = await jetstream.stream_info("JOURNAL")
    assert info.config.retention == api.RetentionPolicy.LIMITS
    assert (info.state.first_seq, info.state.messages) == (2, 3)
    assert [(await jetstream.consumer_info("JOURNAL", each.name)).num_pending for each in (COPYIST, CENSOR)] == [3, 1]
    await client.close()


async def test_a_server_that_refuses_the_administrator_is_an_error(world):
    with pytest.raises(nats.errors.Error, match="Authorization"):
        await bootstrap_nats(world.nats.url("admin", "wrong"), TOPOLOGY, replicas=1)


async def watched(world, user):
    """A service's connection and the permission errors it meets."""
    errors = []

    async def note(error):
        errors.append(str(error))

    return await world.client(user, error_cb=note), errors


ALLOWED = {
    "notes": [
        "events.note.written",
        "internal.note.sealed",
        "wake.notes",
        "schedules.notes.tidy",
        f"$JS.API.CONSUMER.INFO.EVENTS.{READER.name}",
        "$JS.API.STREAM.INFO.JOURNAL",
        "$JS.API.CONSUMER.LIST.JOURNAL",
        "$JS.API.STREAM.PURGE.JOURNAL",
    ],
    "front-desk": ["events.desk.opened", "commands.notes.read", "wake.front-desk"],
}


@pytest.mark.parametrize("user", ALLOWED)
async def test_a_service_may_say_what_is_its_own(world, user):
    client, errors = await watched(world, user)
    for subject in ALLOWED[user]:
        await client.publish(subject, b"")
    await client.flush()
    assert errors == []


FORBIDDEN = [
    ("notes", "events.desk.opened"),
    ("notes", "events.note"),
    ("notes", "internal.user.created"),
    ("notes", "commands.notes.write"),
    ("notes", "commands.front-desk.open"),
    ("notes", "wake.front-desk"),
    ("notes", "schedules.front-desk.tidy"),
    ("notes", "jobs.notes.tidy"),
    ("front-desk", "schedules.notes.tidy"),
    ("notes", "_INBOX_front-desk.abc"),
    ("notes", "$JS.API.CONSUMER.CREATE.EVENTS"),
    ("notes", "$JS.API.CONSUMER.CREATE.EVENTS.mine.events.>"),
    ("notes", "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.mine"),
    ("notes", f"$JS.API.CONSUMER.DELETE.EVENTS.{READER.name}"),
    ("notes", "$JS.API.STREAM.CREATE.MINE"),
    ("notes", "$JS.API.STREAM.PURGE.EVENTS"),
    ("front-desk", "$JS.API.STREAM.PURGE.JOURNAL"),
    ("notes", "$JS.API.STREAM.DELETE.JOURNAL"),
    ("notes", "$JS.API.STREAM.MSG.GET.JOURNAL"),
    ("notes", "$JS.API.STREAM.MSG.GET.EVENTS"),
    ("notes", "$JS.API.STREAM.MSG.DELETE.EVENTS"),
    ("notes", f"$JS.API.CONSUMER.MSG.NEXT.EVENTS.{CLERK.name}"),
    ("notes", f"$JS.ACK.EVENTS.{CLERK.name}.1.1.1.1.0"),
    ("front-desk", f"$JS.API.CONSUMER.MSG.NEXT.EVENTS.{READER.name}"),
    ("front-desk", f"$JS.API.CONSUMER.MSG.NEXT.INTERNAL.{SEALER.name}"),
    ("front-desk", "events.note.written"),
    ("front-desk", "$SYS.REQ.SERVER.PING"),
]


@pytest.mark.parametrize(("user", "subject"), FORBIDDEN)
async def test_a_service_may_not_say_what_is_not_its_own(world, user, subject):
    client, errors = await watched(world, user)
    await client.publish(subject, b"")
    await client.flush()
    await eventually(lambda: errors)
    assert "permissions violation for publish" in errors[0].lower()


@pytest.mark.parametrize(
    "subject",
    [
        ">",
        "events.>",
        "internal.>",
        "_INBOX.>",
        "_INBOX_front-desk.>",
        "wake.front-desk",
        "commands.front-desk.>",
        "$JS.>",
    ],
)
async def test_a_service_may_not_hear_what_is_not_its_own(world, subject):
    client, errors = await watched(world, "notes")
    await client.subscribe(subject)
    await client.flush()
    await eventually(lambda: errors)
    assert "permissions violation for subscription" in errors[0].lower()


async def test_a_service_reads_and_acknowledges_its_own_durable(world):
    admin = (await world.client()).jetstream()
    await admin.publish("events.note.written", b"{}")
    client, errors = await watched(world, "front-desk")
    subscription = await client.jetstream().pull_subscribe_bind(CLERK.name, "EVENTS")

    (message,) = await subscription.fetch(1, timeout=5)
    await message.ack_sync()

    info = await admin.consumer_info("EVENTS", CLERK.name)
    assert (info.num_ack_pending, info.num_pending) == (0, 0)
    assert errors == []
