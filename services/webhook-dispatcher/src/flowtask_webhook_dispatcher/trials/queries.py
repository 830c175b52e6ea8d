"""Statements on what was sent for tests."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Delete, Select, delete, func, select

from .models import Trial

_CHUNK = 100


def hold(what: object) -> Select[Any]:
    """Take the lock under which the tests of a workspace, or to a host, are counted."""
    return select(func.pg_advisory_xact_lock(func.hashtextextended(f"flowtask.trials.{what}", 0)))


def lately(which: ColumnElement[bool], since: datetime) -> Select[int, datetime]:
    """How many tests of these there were since a moment, and when the first of them was."""
    return select(func.count(), func.min(Trial.at)).where(which, Trial.at > since)


def forget(before: datetime) -> Delete:
    """Remove some that no longer count, of whatever workspace; those that somebody else is removing are left to them."""
    old = select(Trial.id).where(Trial.at <= before).limit(_CHUNK).with_for_update(skip_locked=True)
    return delete(Trial).where(Trial.id.in_(old)).execution_options(synchronize_session=False)
