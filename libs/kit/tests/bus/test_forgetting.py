from uuid import uuid4

import pytest
from notes.database import CommandRecord, FailedMessage

from flowtask_kit.bus.forgetting import forget_commands, forget_messages
from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import new_id


def failed(subject, payload):
    return FailedMessage(
        consumer="c",
        message_id=new_id(),
        subject=subject,
        headers={},
        payload=payload,
        stream_seq=1,
        tries=1,
        last_error="",
    )


@pytest.fixture
def perform(world):
    notes = world.resources()

    async def run(*added, statement=None):
        async with transaction(notes.database, notes.wake) as tx:
            tx.add_all(added)
            await tx.flush()
            if statement is not None:
                await tx.execute(statement)

    return run


async def test_messages_that_mention_somebody_are_forgotten_whatever_else_is_in_them(world, perform):
    wanted, other = str(uuid4()), str(uuid4())
    await perform(
        failed("internal.a", b"\xff\x00" + wanted.encode()),
        failed("events.a", f'{{"x":"{wanted}"}}'.encode()),
        failed("internal.b", other.encode()),
        failed("internal.c", b"not \xff text"),
    )
    await perform(statement=forget_messages(FailedMessage, wanted, only="internal."))
    left = world.sql("SELECT subject FROM notes.failed_messages ORDER BY subject").split("\n")
    assert left == ["events.a", "internal.b", "internal.c"]
    await perform(statement=forget_messages(FailedMessage, "nobody", wanted))
    assert world.count("failed_messages") == 2


async def test_what_was_carried_out_for_a_workspace_is_forgotten_with_it(world, perform):
    wanted, other = uuid4(), uuid4()
    await perform(
        *(CommandRecord(command_id=new_id(), request_hash=b"", workspace_id=each) for each in (wanted, other, None))
    )
    await perform(statement=forget_commands(CommandRecord, wanted))
    assert world.count("command_records") == 2
    assert str(wanted) not in world.sql("SELECT * FROM notes.command_records")
