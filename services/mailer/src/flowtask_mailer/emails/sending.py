"""Sending what is due: claim (short), send, settle (short); no transaction is open while the transport answers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_kit import logs
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import utc_now
from flowtask_kit.outages import is_outage
from flowtask_kit.service.resources import Resources
from flowtask_kit.service.worker import Worker

from ..recipients import service as recipients
from ..recipients.models import Recipient
from ..transport import Failed, Message, Outcome, Transport
from . import metrics, queries
from .letters import Circumstances, Letters
from .models import Email

log = logs.get(__name__)

BATCH = 20
SEND_SECONDS = 30.0
"""Well below the lease, so that a mail is never tried by two at once."""

RECORD_SECONDS = 0.2
"""Between two tries to write results down."""


@dataclass(frozen=True)
class Claimed:
    """A mail that this process may try once, and the fence under which the result counts."""

    message: Message
    claim: int


class Sending:
    """Tries mails that are due, a batch at a time."""

    def __init__(
        self, resources: Resources, transport: Transport, letters: Letters, *, sender: str, poll: float
    ) -> None:
        self._database = resources.database
        self._wake = resources.wake
        self._transport = transport
        self._letters = letters
        self._sender = sender
        self.worker = Worker("mails", self.step, poll=poll)

    async def step(self) -> bool:
        """Try up to a batch of mails once; False when none was due."""
        async with transaction(self._database, self._wake) as tx:
            claimed, found = await self._claim(tx)
        if claimed:
            crashpoint("mailer.after-claim")
            outcomes = await asyncio.gather(*(self._send(each.message) for each in claimed))
            crashpoint("mailer.after-send")
            await self._record(claimed, outcomes)
        return found

    async def _claim(self, tx: AsyncSession) -> tuple[list[Claimed], bool]:
        """Take what is due; what has no known recipient or address waits. Also whether anything was due at all."""
        now = utc_now()
        oldest = await tx.scalar(queries.oldest_due())
        metrics.OLDEST_DUE.set(max(0.0, (now - oldest).total_seconds()) if oldest is not None else 0)
        due = (await tx.scalars(queries.due(now, BATCH))).all()
        missed = await self._write([email for email in due if not email.written], tx)
        if missed:
            metrics.MISSED.inc(missed)
            log.warning("mails wait for their recipients", mails=missed)
            await recipients.somebody_is_missing(tx)
        claimed = [Claimed(email.message, email.claim(now)) for email in due if email.written]
        return claimed, bool(due)

    async def _write(self, unwritten: Sequence[Email], tx: AsyncSession) -> int:
        """Write those that can go to somebody; the others wait. The number of those whose recipient is not known at all."""
        if not unwritten:
            return 0
        actors = {email.id: _person(email.facts.get("actor")) for email in unwritten}
        wanted = {email.user_id for email in unwritten} | {actor for actor in actors.values() if actor is not None}
        people = await recipients.known(tx, wanted)
        names = await recipients.workspace_names(tx, {email.workspace_id for email in unwritten})
        missed = 0
        for email in unwritten:
            recipient, actor_id = people.get(email.user_id), actors[email.id]
            if recipient is None or recipient.email is None:
                email.miss_recipient(utc_now())
                missed += recipient is None
            else:
                actor = people.get(actor_id) if actor_id is not None else None
                self._write_one(email, recipient, recipient.email, actor, names.get(email.workspace_id))
        return missed

    def _write_one(
        self, email: Email, recipient: Recipient, address: str, actor: Recipient | None, workspace_name: str | None
    ) -> None:
        """Write one mail; one that cannot be written has used up a try, and holds nobody up."""
        around = Circumstances(
            recipient_name=recipient.name,
            actor_name=actor.name if actor is not None else None,
            actor_is_recipient=actor is recipient,
            workspace_name=workspace_name,
        )
        try:
            letter = self._letters.write(email.kind, email.facts, around)
        except Exception:
            log.exception("mail not written", email_id=str(email.id), kind=email.kind)
            now = utc_now()
            email.settle(Failed("it could not be written"), email.claim(now), transport=self._transport.name, now=now)
            return
        email.write(sender=self._sender, to=address, subject=letter.subject, body=letter.text, html=letter.html)

    async def _send(self, message: Message) -> Outcome:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await self._transport.send(message)
        except Exception as error:  # noqa: BLE001 - whatever a transport meets, the mail is tried again
            log.warning("mail not sent", email_id=str(message.id), error=repr(error))
            return Failed(f"{type(error).__name__}: {error}"[:500])

    async def _record(self, claimed: Sequence[Claimed], outcomes: Sequence[Outcome]) -> None:
        """Write down what became of the mails, for as long as it takes: what is forgotten would be sent once more."""
        while True:
            try:
                async with transaction(self._database, self._wake) as tx:
                    await self._settle(tx, claimed, outcomes)
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("results of mails wait for the database", mails=len(claimed), error=repr(error))
                await asyncio.sleep(RECORD_SECONDS)
            else:
                return

    async def _settle(self, tx: AsyncSession, claimed: Sequence[Claimed], outcomes: Sequence[Outcome]) -> None:
        results = {each.message.id: (each.claim, outcome) for each, outcome in zip(claimed, outcomes, strict=True)}
        now = utc_now()
        for email in await tx.scalars(queries.locked(results.keys())):
            claim, outcome = results[email.id]
            if not email.settle(outcome, claim, transport=self._transport.name, now=now):
                continue
            metrics.SETTLED.labels(email.kind, self._transport.name, type(outcome).__name__.lower()).inc()
            if email.attempts == 1:
                metrics.FIRST_TRY.observe((now - email.created_at).total_seconds())


def _person(actor: str | None) -> UUID | None:
    """The person behind an event's actor; None for the system."""
    kind, _, identity = (actor or "").partition(":")
    try:
        return UUID(identity) if kind == "user" else None
    except ValueError:
        return None
