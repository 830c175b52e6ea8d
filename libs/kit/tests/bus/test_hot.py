import asyncio

import nats
import pytest
from hypothesis import given
from hypothesis import strategies as st
from notes.world import ADMIN_PASSWORD, AUTHORIZATION, eventually

from flowtask_kit.bus.hot import HotMessage, _HotParser, publish_all, subscribe
from flowtask_local.nats import EmbeddedNats

HEADERS = b"NATS/1.0\r\ntraceparent: 00-ab-cd-01\r\nNats-Msg-Id:7\r\n\r\n"


class Client:
    """What nats-py's own parser calls."""

    def __init__(self):
        self.heard = []

    async def _process_msg(self, sid, subject, reply, data, headers):
        self.heard.append((sid, subject.decode(), reply.decode(), headers or b"", data))

    async def _process_ping(self):
        self.heard.append("ping")

    async def _process_pong(self):
        self.heard.append("pong")


def frame(sid, subject, reply, headers, data):
    words = [b"HMSG" if headers else b"MSG", subject.encode(), b"%d" % sid]
    words += [reply.encode()] if reply else []
    words += [b"%d" % len(headers)] if headers else []
    return b" ".join(words) + b" %d\r\n" % (len(headers) + len(data)) + headers + data + b"\r\n"


messages = st.tuples(
    st.sampled_from([1, 2]),
    st.sampled_from(["a", "events.task.created"]),
    st.sampled_from(["", "$JS.ACK.EVENTS.d.1.2.3.4.5", "42"]),
    st.sampled_from([b"", HEADERS, b"NATS/1.0 404 No Messages\r\n\r\n"]),
    st.binary(max_size=40) | st.sampled_from([b"\r\nMSG a 1 1\r\nx\r\n", b"PING\r\n"]),
)


@given(st.lists(messages | st.sampled_from(["ping", "pong"]), max_size=12), st.lists(st.integers(1, 60), max_size=40))
def test_every_message_is_heard_once_and_in_order_however_the_bytes_come(sent, cuts):
    client, hot = Client(), []
    parser = _HotParser(client)
    parser.heard[b"1"] = hot.append
    wire = b"".join(each.upper().encode() + b"\r\n" if isinstance(each, str) else frame(*each) for each in sent)

    async def feed():
        at = 0
        for cut in [*cuts, len(wire)]:
            if at < len(wire):
                await parser.parse(wire[at : at + cut])
                at += cut

    asyncio.run(feed())
    # What follows something else in the same bytes goes the long way, to the subscription's callback.
    long_way = [each for each in client.heard if each[0] == 1]
    of_hot = [each[1:] for each in sent if each[0] == 1]
    short = [(one.subject, one.reply, one.headers, one.data) for one in hot]
    assert sorted(short + [each[1:] for each in long_way]) == sorted(of_hot)
    assert [each for each in short if each in of_hot] == short
    assert [each for each in client.heard if each[0] != 1] == [each for each in sent if each[0] != 1]
    assert not parser.buf


def test_a_header_is_found_by_its_name_as_it_is_written():
    message = HotMessage("a", "", HEADERS, b"")
    assert message.header(b"traceparent") == "00-ab-cd-01"
    assert message.header(b"Nats-Msg-Id") == "7"
    assert message.header(b"Nats-Msg") is None
    assert HotMessage("a", "", b"", b"").header(b"traceparent") is None


@pytest.fixture
def server(tmp_path):
    with EmbeddedNats(tmp_path / "nats", authorization=AUTHORIZATION, durable=False) as made:
        yield made


@pytest.fixture
async def connect(server):
    made = []

    async def connected():
        client = await nats.connect(
            server.url("admin", ADMIN_PASSWORD),
            reconnect_time_wait=0.05,
            max_reconnect_attempts=-1,
        )
        made.append(client)
        return client

    yield connected
    for client in made:
        await client.close()


async def test_messages_come_the_short_way_also_after_a_reconnect(server, connect):
    hearing, speaking = await connect(), await connect()
    hot, usual = [], []

    async def hear(message):
        usual.append(message.data)

    inbox, other = hearing.new_inbox(), hearing.new_inbox()
    subscription = await subscribe(hearing, inbox, hot.append)
    await hearing.subscribe(other, cb=hear)
    await hearing.flush()
    await publish_all(speaking, [(inbox, b"%d" % number) for number in range(500)] + [(other, b"usual")])
    await speaking.publish(inbox, b"last", headers={"traceparent": "t"}, reply="somewhere")
    await eventually(lambda: len(hot) == 501 and usual)
    assert [message.data for message in hot[:500]] == [b"%d" % number for number in range(500)]
    assert (hot[500].header(b"traceparent"), hot[500].reply) == ("t", "somewhere")

    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    await eventually(lambda: hearing.is_connected and speaking.is_connected)
    await hearing.flush()
    await speaking.publish(inbox, b"again")
    await eventually(lambda: hot[-1].data == b"again")
    await subscription.drain()


async def test_one_that_cannot_be_taken_keeps_no_other_from_being_heard(connect):
    client = await connect()
    heard = []

    def hear(message):
        if message.data == b"bad":
            raise ValueError("ours")
        heard.append(message.data)

    inbox = client.new_inbox()
    await subscribe(client, inbox, hear)
    await publish_all(client, [(inbox, b"good"), (inbox, b"bad"), (inbox, b"good too")])
    await eventually(lambda: heard == [b"good", b"good too"])
