"""Statements that erase people and workspaces."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Delete, Select, Update, delete, exists, select, update
from sqlalchemy.dialects.postgresql import Insert, insert

from flowtask_contracts.commands.mailer import EmailStatus

from ..emails.models import Email
from ..recipients.models import Membership
from .models import Erasure, Kind

_BLANK = dict.fromkeys(("sender", "recipient", "subject", "text", "html"))


def begin(identity: UUID, kind: Kind, now: datetime) -> Insert:
    """Note that somebody's mails are to go; hearing of it again has them looked for again."""
    values = {"id": identity, "kind": kind, "due_at": now, "quiet": False}
    return insert(Erasure).values(values).on_conflict_do_nothing()


def remove_mails(erasure: Erasure, limit: int) -> Delete:
    """Remove up to `limit` mails to a person, or of a workspace."""
    owner = Email.user_id if erasure.kind is Kind.USER else Email.workspace_id
    return delete(Email).where(Email.id.in_(select(Email.id).where(owner == erasure.id).limit(limit)))


def blank_sent(actor: str, limit: int) -> Update:
    """Take the texts, which name who acted, out of up to `limit` mails that are done with."""
    named = _naming(actor).where(Email.status != EmailStatus.QUEUED).limit(limit)
    return update(Email).where(Email.id.in_(named)).values(text=None, html=None)


def write_anew(actor: str, limit: int) -> Update:
    """Have up to `limit` mails written once more, without the name: those that no transport has seen yet."""
    named = _naming(actor).where(Email.status == EmailStatus.QUEUED, Email.claim_no == 0).limit(limit)
    return update(Email).where(Email.id.in_(named), Email.claim_no == 0).values(_BLANK)


def still_named(actor: str) -> Select[bool]:
    """Whether a mail that is being tried names who acted: each of its tries must have the same bytes."""
    return select(exists(_naming(actor)))


def remove_places(erasure: Erasure) -> Delete:
    """Remove the places of a person, or in a workspace."""
    owner = Membership.user_id if erasure.kind is Kind.USER else Membership.workspace_id
    return delete(Membership).where(owner == erasure.id)


def _naming(actor: str) -> Select[UUID]:
    return select(Email.id).where(Email.facts["actor"].astext == actor, Email.text.is_not(None))
