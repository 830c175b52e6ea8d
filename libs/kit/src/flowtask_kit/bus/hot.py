"""The short way through nats-py for a subscription that hears thousands of messages a second, and for what answers them.

nats-py matches up to seven patterns for each message, reads headers that nobody asks for, and hands each over to another task
through a queue. Here a message goes from the connection's bytes straight to a function. What this way does not know it leaves
to nats-py, with the bytes as they came.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.protocol.parser import AWAITING_CONTROL_LINE, MAX_CONTROL_LINE_SIZE, Parser

from flowtask_kit import logs

log = logs.get(__name__)

_SIZES = {b"MSG": 1, b"HMSG": 2}
"""Numbers that the line of a message ends with, by its first word: of bytes in all, and of headers before."""


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
            end = data.find(b"\r\n", at, at + MAX_CONTROL_LINE_SIZE)
            if end < 0:
                return at, False
            words = data[at:end].split()
            numbers = _SIZES.get(words[0]) if words else None
            if numbers is None or len(words) < 3 + numbers or (heard := self.heard.get(words[2])) is None:
                return at, False
            begin, size = end + 2, int(words[-1])
            if len(data) < begin + size + 2:
                return at, True
            split = begin + int(words[-2]) if numbers > 1 else begin
            reply = words[3].decode() if len(words) > 3 + numbers else ""
            at = begin + size + 2
            try:
                heard(HotMessage(words[1].decode(), reply, data[begin:split], data[split : at - 2]))
            except Exception:  # it must not end the connection's reading
                log.exception("message not taken")
