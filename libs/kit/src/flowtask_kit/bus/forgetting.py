"""Forgetting what a service keeps of the bus: about somebody who is erased, and what nobody can ask for any more."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Delete, TextClause, delete, func, or_, text

from flowtask_kit.bus.models import CommandRecord, FailedMessage

KEPT_FOR = timedelta(hours=25)
"""Idempotency-Keys count for 24 hours; one more covers clocks that differ and commands on their way."""
CHUNK = 1000


def forget_replies(schema: str) -> TextClause:
    """Remove some replies of commands that can no longer be repeated, the oldest first; replicas share the work."""
    return text(f"""
        DELETE FROM {schema}.command_records WHERE command_id IN (
            SELECT command_id FROM {schema}.command_records WHERE created_at < now() - CAST(:kept_for AS interval)
            ORDER BY created_at LIMIT {CHUNK} FOR UPDATE SKIP LOCKED
        )
    """).bindparams(kept_for=KEPT_FOR)  # noqa: S608 - the schema is a constant of the service


def forget_commands(records: type[CommandRecord], workspace_id: UUID) -> Delete:
    """Remove what was carried out on behalf of a workspace; a repeat of such a command is a new one."""
    return delete(records).where(records.workspace_id == workspace_id)


def forget_messages(failures: type[FailedMessage], *texts: str, only: str = "") -> Delete:
    """Remove messages that could not be handled and in which one of these texts stands.

    `only` is how their subjects must begin.
    """
    mentions = [func.position(func.convert_to(text, "UTF8").op("IN")(failures.payload)) > 0 for text in texts]
    return delete(failures).where(failures.subject.startswith(only, autoescape=True), or_(*mentions))
