"""Removing from a stream what every durable has acknowledged, many messages at once.

The server could do it by itself, a message at a time, but then each costs it a write that it waits for. Nothing here decides
what is done with: that is the acks alone, as the server counts them.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from flowtask_contracts.topology import Durable, Stream
from flowtask_kit import logs
from flowtask_kit.bus.connection import Bus
from flowtask_kit.outages import is_outage

log = logs.get(__name__)

EVERY_SECONDS = 5.0
APART = 10_000
"""Sequence numbers by which one durable may be behind another before what it does not hear is removed for itself."""
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """How far a durable is: all that its filters match, up to and including `floor`, is acknowledged."""

    filters: tuple[str, ...]
    floor: int

    @classmethod
    def of(cls, info: Mapping[str, Any], seen: int) -> "Place":
        """Read from the server's answer; one that has nothing left to do is past `seen`, the end of the stream before it was asked."""
        config, floor = info["config"], int(info["ack_floor"]["stream_seq"])
        if not info["num_pending"] and not info["num_ack_pending"]:
            floor = max(floor, seen)
        filters = config.get("filter_subjects") or [config.get("filter_subject") or ">"]
        return cls(tuple(filters), floor)


@dataclass(frozen=True, slots=True)
class Cut:
    """To remove: messages of one subject, or of all, with a sequence number below `before`."""

    before: int
    subject: str | None = None


def cut(places: Sequence[Place]) -> Cut:
    """What nobody needs any more, whatever its subject."""
    return Cut(min(place.floor for place in places) + 1)


def cuts_apart(places: Sequence[Place], subjects: Iterable[str]) -> list[Cut]:
    """What those that are behind do not hear: one that stands still must not have the stream keep everybody's messages."""
    lowest, found = min(place.floor for place in places), []
    for subject in subjects:
        hearing = [place.floor for place in places if any(_matches(each, subject) for each in place.filters)]
        before = min(hearing, default=max(place.floor for place in places))
        if before > lowest:
            found.append(Cut(before + 1, subject))
    return found


class Clearing:
    """Clears one stream, of which `durables` are known to read. Any number of replicas may do it at once.

    While one of these does not exist, or the server cannot tell of everybody, nothing is removed. It looks `every` so many
    seconds; by `apart` see `APART`.
    """

    def __init__(
        self, bus: Bus, stream: Stream, durables: Sequence[Durable], *, every: float = EVERY_SECONDS, apart: int = APART
    ) -> None:
        self._bus = bus
        self._every = every
        self._apart = apart
        self._stream = stream.name
        self._expected = {durable.name for durable in durables}
        self._end = 0
        """The last sequence number of the stream when it was looked at before."""
        self._warned = False

    async def run(self) -> None:
        """Clear for ever; while the bus is away the stream waits."""
        await self._bus.ready.wait()
        while True:
            if self._bus.connected:
                try:
                    await self.clear()
                except Exception as error:
                    if not is_outage(error):
                        raise
                    log.info("clearing waits for the bus", stream=self._stream, error=repr(error))
            await asyncio.sleep(self._every)

    async def clear(self) -> None:
        """Remove what every durable has acknowledged. What one has yet to see is safe, also while replicas are not of one mind.

        A durable with nothing left to do is believed only about messages that were there one look before, and only when
        every replica of the stream has them: its leader may be behind the stream's.
        """
        info = await self._ask("STREAM.INFO", {})
        if info is None or not (state := info["state"])["messages"]:
            return
        together = all(each.get("current") for each in (info.get("cluster") or {}).get("replicas") or ())
        places = await self._places(min(self._end, state["last_seq"]) if together else 0)
        self._end = state["last_seq"]
        if not places:
            return
        all_of = cut(places)
        if all_of.before > state["first_seq"]:
            await self._remove(all_of)
        if max(place.floor for place in places) - all_of.before >= self._apart:
            info = await self._ask("STREAM.INFO", {"subjects_filter": ">"})
            for each in cuts_apart(places, (info or {"state": {}})["state"].get("subjects") or ()):
                await self._remove(each)

    async def _places(self, seen: int) -> list[Place]:
        """Of everybody who reads the stream, known here or not; empty when somebody's cannot be told."""
        listed = await self._ask("CONSUMER.LIST", {})
        if listed is None:
            return []
        infos = listed.get("consumers") or []
        missing = self._expected - {info["name"] for info in infos}
        if missing or listed.get("missing") or len(infos) < listed["total"]:
            if not self._warned:
                log.error(
                    "stream is not cleared: not every durable answers", stream=self._stream, missing=sorted(missing)
                )
            self._warned = True
            return []
        self._warned = False
        return [Place.of(info, seen) for info in infos]

    async def _remove(self, what: Cut) -> None:
        wish: dict[str, Any] = {"seq": what.before}
        if what.subject is not None:
            wish["filter"] = what.subject
        await self._ask("STREAM.PURGE", wish)

    async def _ask(self, what: str, wish: Mapping[str, Any]) -> dict[str, Any] | None:
        """The server's answer; None if it is a refusal."""
        client = self._bus.client
        assert client is not None
        message = await client.request(f"$JS.API.{what}.{self._stream}", orjson.dumps(wish), timeout=_PATIENCE)
        answer: dict[str, Any] = orjson.loads(message.data)
        if "error" in answer:
            log.warning("stream cannot be cleared now", stream=self._stream, asked=what, error=answer["error"])
            return None
        return answer


def _matches(pattern: str, subject: str) -> bool:
    """Whether a subject that was said is one that a filter hears; `*` is one word, `>` at the end one or more."""
    wanted, words = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted = wanted[:-1]
        if len(words) <= len(wanted):
            return False
        words = words[: len(wanted)]
    return len(wanted) == len(words) and all(want in ("*", word) for want, word in zip(wanted, words, strict=True))
