"""Statements that erase a workspace."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Delete, Select, TextClause, Update, Uuid, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert

from flowtask_kit.bus.forgetting import forget_commands, forget_messages

from ..database import CommandRecord, FailedMessage
from ..deliveries.models import UnreadableMessage
from ..endpoints.models import Endpoint, EndpointState
from ..health.models import AttemptCount
from ..polling.models import Polling
from ..replays.models import Replay
from ..trials.models import Trial
from .models import Erasure


def begin(workspace_id: UUID, revision: int, now: datetime) -> Insert:
    """Note that a workspace is to be erased, once."""
    values = {"workspace_id": workspace_id, "heard_at": now, "revision": revision, "due_at": now}
    return insert(Erasure).values(values).on_conflict_do_nothing()


def is_erased(workspace_id: UUID) -> Select[UUID]:
    """The workspace's id, if it is erased."""
    return select(Erasure.workspace_id).where(Erasure.workspace_id == workspace_id)


def end_endpoints(workspace_id: UUID, revision: int, now: datetime) -> Update:
    """End every subscription; what tells of its owner is wiped."""
    return (
        update(Endpoint)
        .where(Endpoint.workspace_id == workspace_id)
        .values(
            active=False,
            url="",
            description=None,
            filter=None,
            headers=None,
            header_names=[],
            remarks={},
            secret=None,
            next_secret=None,
            next_alone_at=None,
            private_key=None,
            next_private_key=None,
            events=[],
            deleted_at=func.coalesce(Endpoint.deleted_at, now),
            revision=revision,
        )
        .execution_options(synchronize_session=False)
    )


def endpoints(workspace_id: UUID) -> Select[UUID]:
    """The endpoints that a workspace ever had."""
    return select(Endpoint.id).where(Endpoint.workspace_id == workspace_id)


_DUE = """
    DELETE FROM webhooks.due WHERE delivery_id IN (
        SELECT delivery_id FROM webhooks.due WHERE endpoint_id = ANY (:endpoints) AND attempts {among} LIMIT :most
    )
"""
_DELIVERIES = """
    WITH chunk AS MATERIALIZED (
        SELECT event_id, endpoint_id FROM webhooks.deliveries WHERE endpoint_id = ANY (:endpoints) LIMIT :most
    ), tried AS (
        DELETE FROM webhooks.attempts a USING chunk s WHERE a.event_id = s.event_id AND a.endpoint_id = s.endpoint_id
    )
    DELETE FROM webhooks.deliveries d USING chunk s WHERE d.event_id = s.event_id AND d.endpoint_id = s.endpoint_id
"""
_MESSAGES = text("""
    WITH chunk AS MATERIALIZED (
        SELECT event_id FROM webhooks.messages WHERE workspace_id = :workspace LIMIT :most
    ), known AS (
        DELETE FROM webhooks.erased_events e USING chunk s WHERE e.event_id = s.event_id
    )
    DELETE FROM webhooks.messages m USING chunk s WHERE m.event_id = s.event_id
""")


def remove_some(workspace_id: UUID, endpoint_ids: list[UUID], limit: int) -> tuple[TextClause, ...]:
    """Remove up to `limit` rows of each kind of work and history; each is to be repeated until it finds none."""
    endpoints_ = bindparam("endpoints", endpoint_ids, type_=ARRAY(Uuid()))
    of_endpoints = (_DUE.format(among="= 0"), _DUE.format(among="> 0"), _DELIVERIES)
    return (
        *(text(statement).bindparams(endpoints_, most=limit) for statement in of_endpoints),
        _MESSAGES.bindparams(workspace=workspace_id, most=limit),
    )


def remove_rest(workspace_id: UUID, endpoint_ids: list[UUID]) -> tuple[Delete, ...]:
    """Remove what there is little of: kept commands, messages set apart, and the endpoints themselves."""
    mentioned = func.position(func.convert_to(str(workspace_id), "UTF8").op("IN")(UnreadableMessage.payload)) > 0
    return (
        forget_commands(CommandRecord, workspace_id),
        forget_messages(FailedMessage, str(workspace_id), only="events."),
        delete(UnreadableMessage).where(mentioned),
        delete(Trial).where(Trial.workspace_id == workspace_id),
        delete(Replay).where(Replay.workspace_id == workspace_id),
        delete(AttemptCount).where(AttemptCount.endpoint_id.in_(endpoint_ids)),
        delete(Polling).where(Polling.endpoint_id.in_(endpoint_ids)),
        delete(EndpointState).where(EndpointState.endpoint_id.in_(endpoint_ids)),
        delete(Endpoint).where(Endpoint.workspace_id == workspace_id),
    )
