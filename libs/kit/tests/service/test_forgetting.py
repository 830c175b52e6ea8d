from datetime import timedelta

import pytest
from notes.app import create_app
from notes.database import CommandRecord
from notes.world import eventually

from flowtask_kit.bus.forgetting import CHUNK, KEPT_FOR
from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import new_id, utc_now
from flowtask_kit.service.forgetting import forgetting


@pytest.fixture
def carried_out(world):
    """Has the notes service carry out commands so long ago."""
    notes = world.resources()

    async def write(*ago):
        async with transaction(notes.database, notes.wake) as tx:
            tx.add_all(
                CommandRecord(command_id=new_id(), request_hash=b"", reply={}, created_at=utc_now() - each)
                for each in ago
            )

    return write


async def test_replies_are_forgotten_chunk_by_chunk_once_nobody_can_repeat_their_commands(world, carried_out):
    """Keys count for 24 hours; two replicas share the work."""
    young = [timedelta(), timedelta(hours=24), KEPT_FOR - timedelta(minutes=1)]
    await carried_out(*young, *(KEPT_FOR + timedelta(seconds=number) for number in range(2 * CHUNK + 1)))
    for replica in (world.resources(), world.resources()):
        worker = forgetting(replica.database, replica.wake, "notes", poll=60)
        replica.background.start(worker.name, worker.run)
    await eventually(lambda: world.count("command_records") == len(young))


async def test_every_service_forgets_the_replies_that_it_has_given(world, carried_out):
    await carried_out(KEPT_FOR + timedelta(hours=1), timedelta())
    app = create_app(world.settings())
    async with app.router.lifespan_context(app):
        await eventually(lambda: world.count("command_records") == 1)
