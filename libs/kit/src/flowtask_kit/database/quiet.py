"""Waiting for transactions that began before something was known: what they write comes late, and then no more."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_CLOCK = text("SELECT clock_timestamp()")
_QUIET = text("""
    SELECT NOT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid() AND xact_start <= :moment
    )
""")


async def database_clock(tx: AsyncSession) -> datetime:
    """The time by the database's clock, now and not when the transaction began."""
    moment: datetime = (await tx.execute(_CLOCK)).scalar_one()
    return moment


async def quiet_since(tx: AsyncSession, moment: datetime) -> bool:
    """Whether all transactions of this service that were open at that moment, by the database's clock, have ended.

    What is committed and read at that moment is known to every transaction that begins later: those before it may still
    write as if it were not so. Ask before looking for what they wrote, for each statement sees what is committed then.
    """
    answer: bool = (await tx.execute(_QUIET, {"moment": moment})).scalar_one()
    return answer
