"""The short way through nats-py for a subscription that hears thousands of messages a second, and for what answers them.

nats-py matches up to seven patterns for each message, reads headers that nobody asks for, and hands each over to another task
through a queue. Here a message goes from the connection's bytes straight to a function. What this way does not know it leaves
to nats-py, with the bytes as they came.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

from flowtask_kit import logs

log = logs.get(__name__)

_LINE = re.compile(rb"(H?)MSG (\S+) (\S+) (?:(\S+) )?(?:(\d+) )?(\d+)\r\n")
"""The line before a message: subject, subscription, where to reply, if anywhere, bytes of headers, if there can be any, and in all."""


class HotMessage(NamedTuple):
    """A message as it came: `headers` are the lines as they were sent, and `reply` is empty where there is none."""

    subject: str
    reply: str
    headers: bytes
    data: bytes

    def header(self, name: bytes) -> str | None:
        """The value of a header whose name is written like this, or None."""
        at = self.headers.find(b"\r\n%b:" % name)
        if at < 0:
            return None
        begin = at + len(name) + 3
        return self.headers[begin : self.headers.index(b"\r\n", begin)].decode("utf-8", "replace").strip()


Heard = Callable[[HotMessage], None]


async def subscribe(client: Client, subject: str, heard: Heard) -> Subscription:
    """Hear a subject: `heard` is called for each message, in order, and must not take long."""

    async def heard_slowly(message: Msg) -> None:
        lines = "".join(f"\r\n{name}: {value}" for name, value in (message.headers or {}).items())
        heard(HotMessage(message.subject, message.reply, f"NATS/1.0{lines}\r\n\r\n".encode(), message.data))

    subscription = await client.subscribe(subject, cb=heard_slowly, pending_msgs_limit=-1)
    parser = client._ps  # noqa: SLF001 - there is no other way in
    if not isinstance(parser, _HotParser):
        parser = client._ps = _HotParser(client)  # noqa: SLF001
    parser.heard[b"%d" % subscription._id] = heard  # noqa: SLF001
    return subscription


async def publish_all(client: Client, messages: Iterable[tuple[str, bytes]]) -> None:
    """Send many small messages, as one write; raises what `Client.publish` raises while the connection is not there."""
    if not client.is_connected:
        for subject, data in messages:
            await client.publish(subject, data)
        return
    commands = [b"PUB %b %d\r\n%b\r\n" % (subject.encode(), len(data), data) for subject, data in messages]
    await client._send_command(b"".join(commands))  # noqa: SLF001
    await client._flush_pending()  # noqa: SLF001


class _HotParser(Parser):
    """Takes the messages of some subscriptions (`heard`, by number) itself."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.heard: dict[bytes, Heard] = {}

    async def parse(self, data: bytes = b"") -> None:
        if self.state == AWAITING_CONTROL_LINE:
            data = bytes(self.buf) + data if self.buf else data
            self.buf.clear()
            used, waits = self._take(data)
            data = data[used:]
            if waits:
                self.buf.extend(data)
                return
        if data:
            await super().parse(data)

    def _take(self, data: bytes) -> tuple[int, bool]:
        """Hand over the messages that `data` begins with; how many bytes they were, and whether the next is not whole yet."""
        at = 0
        while True:
            line = _LINE.match(data, at)
            if line is None:
                return at, False
            with_headers, subject, number, reply, headers, size = line.groups()
            if with_headers and headers is None:
                reply, headers = None, reply  # what looked like a place to reply to is a number
            heard = self.heard.get(number)
            if heard is None or (headers is None) == bool(with_headers):
                return at, False
            begin = line.end()
            end = begin + int(size)
            if len(data) < end + 2:
                return at, True
            split = begin if headers is None else begin + int(headers)
            at = end + 2
            try:
                heard(HotMessage(subject.decode(), reply.decode() if reply else "", data[begin:split], data[split:end]))
            except Exception:  # it must not end the connection's reading
                log.exception("message not taken")
