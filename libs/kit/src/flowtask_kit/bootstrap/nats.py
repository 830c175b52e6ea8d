"""Streams and durable consumers, made before any publisher starts; and who may say and hear what."""

from collections.abc import Mapping
from typing import Any

import orjson
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError

from flowtask_contracts.topology import Durable, Stream, Topology

DUPLICATE_WINDOW = 600.0
"""Seconds within which a repeated `Nats-Msg-Id` is acknowledged but not stored again."""


async def bootstrap_nats(url: str, topology: Topology, *, replicas: int) -> None:
    """Make streams and durables, or bring their settings to what the topology says; safe to repeat.

    Waits about 20 s for a server that is not there yet; raises at once what a server answers that refuses the login.
    """
    client = Client()
    try:
        await client.connect(
            url, connect_timeout=5, max_reconnect_attempts=10, name="flowtask-bootstrap", error_cb=_give_up_when_refused
        )
        jetstream = client.jetstream(timeout=10)
        for stream in topology.streams:
            await _stream(jetstream, stream, replicas)
        for durable in topology.durables:
            await jetstream.add_consumer(durable.stream, config=_consumer_config(durable))
    finally:
        await client.close()


async def _give_up_when_refused(error: Exception) -> None:
    if "authorization" in str(error).lower():
        raise error


async def _stream(jetstream: JetStreamContext, stream: Stream, replicas: int) -> None:
    config = api.StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        storage=api.StorageType.FILE,
        retention=_retention(stream),
        discard=api.DiscardPolicy.OLD if stream.holds_schedules else api.DiscardPolicy.NEW,
        max_bytes=stream.max_bytes,
        max_age=0,
        num_replicas=replicas,
        duplicate_window=DUPLICATE_WINDOW,
        allow_atomic=not stream.holds_schedules,
        allow_msg_schedules=stream.holds_schedules,
    )
    try:
        await jetstream.stream_info(stream.name)
    except NotFoundError:
        await jetstream.add_stream(config)
    else:
        await jetstream.update_stream(config)


def _retention(stream: Stream) -> api.RetentionPolicy:
    if stream.holds_schedules:
        return api.RetentionPolicy.WORK_QUEUE
    return api.RetentionPolicy.LIMITS if stream.cleared_by else api.RetentionPolicy.INTEREST


def _consumer_config(durable: Durable) -> api.ConsumerConfig:
    return api.ConsumerConfig(
        name=durable.name,
        durable_name=durable.name,
        filter_subjects=list(durable.filters) if len(durable.filters) > 1 else None,
        filter_subject=durable.filters[0] if len(durable.filters) == 1 else None,
        deliver_policy=api.DeliverPolicy.ALL,
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=durable.ack_wait,
        max_ack_pending=durable.max_ack_pending,
        max_deliver=-1,
        max_waiting=512,
    )


def nats_authorization(topology: Topology, passwords: Mapping[str, str], *, admin_password: str) -> str:
    """The `authorization` block of a NATS server's configuration: an `admin`, and one user per service.

    A service may publish its own events, schedules and wakes and the commands it asks, and hear its own inbox, wakes and
    commands; it cannot create streams or consumers, nor read another's. One that clears a stream may see how far everybody is.
    """
    users: list[dict[str, Any]] = [{"user": "admin", "password": admin_password}]
    for service in topology.services:
        consumers = [
            subject
            for durable in topology.durables_of(service.name)
            for subject in (
                f"$JS.API.CONSUMER.INFO.{durable.stream}.{durable.name}",
                f"$JS.API.CONSUMER.MSG.NEXT.{durable.stream}.{durable.name}",
                f"$JS.ACK.{durable.stream}.{durable.name}.>",
            )
        ]
        clearing = [
            f"$JS.API.{verb}.{stream.name}"
            for stream in topology.streams
            if stream.cleared_by == service.name
            for verb in ("STREAM.INFO", "STREAM.PURGE", "CONSUMER.LIST")
        ]
        users.append(
            {
                "user": service.name,
                "password": passwords[service.name],
                "permissions": {
                    "publish": {
                        "allow": [
                            *service.publishes,
                            f"wake.{service.name}",
                            *(f"commands.{asked}.>" for asked in service.asks),
                            *consumers,
                            *clearing,
                        ]
                    },
                    "subscribe": {
                        "allow": [f"_INBOX_{service.name}.>", f"wake.{service.name}", f"commands.{service.name}.>"]
                    },
                    "allow_responses": True,
                },
            }
        )
    return f"authorization: {orjson.dumps({'users': users}, option=orjson.OPT_INDENT_2).decode()}\n"
