"""Forgetting what a service keeps of the bus about somebody who is erased."""

from uuid import UUID

from sqlalchemy import Delete, delete, func, or_

from flowtask_kit.bus.models import CommandRecord, FailedMessage


def forget_commands(records: type[CommandRecord], workspace_id: UUID) -> Delete:
    """Remove what was carried out on behalf of a workspace; a repeat of such a command is a new one."""
    return delete(records).where(records.workspace_id == workspace_id)


def forget_messages(failures: type[FailedMessage], *texts: str, only: str = "") -> Delete:
    """Remove messages that could not be handled and in which one of these texts stands.

    `only` is how their subjects must begin.
    """
    mentions = [func.position(func.convert_to(text, "UTF8").op("IN")(failures.payload)) > 0 for text in texts]
    return delete(failures).where(failures.subject.startswith(only, autoescape=True), or_(*mentions))
