import asyncio

import nats
import nats.errors
import pytest

from flowtask_local.errors import ProcessEndedError
from flowtask_local.nats import EmbeddedNats

ALICE = 'authorization { users: [ { user: alice, password: "secret", permissions: { publish: "a.>" } } ] }'


async def test_acknowledged_messages_survive_a_sigkill(tmp_path):
    with EmbeddedNats(tmp_path / 'with "spaces" \\ and größere ☂' / "nats") as server:
        client = await nats.connect(server.url())
        jetstream = client.jetstream()
        await jetstream.add_stream(name="KEPT", subjects=["kept"])
        for number in range(100):
            await jetstream.publish("kept", str(number).encode())
        await client.close()
        ports = (server.port, server.monitor_port)

        server.kill()
        assert not server.running
        server.start()

        assert (server.port, server.monitor_port) == ports
        client = await nats.connect(server.url())
        assert (await client.jetstream().stream_info("KEPT")).state.messages == 100
        await client.close()


async def test_strangers_are_refused_and_known_users_have_their_rights(nats_server_factory):
    server = nats_server_factory(ALICE)
    refused = asyncio.Queue()

    async def note(error):
        await refused.put(str(error))

    stranger = nats.NATS()
    with pytest.raises(nats.errors.Error, match="Authorization"):
        await stranger.connect(server.url(), allow_reconnect=False)
    await stranger.close()

    client = await nats.connect(server.url("alice", "secret"), error_cb=note)
    await client.publish("b.c", b"")
    assert "permissions violation" in (await asyncio.wait_for(refused.get(), 5)).lower()
    await client.close()


def test_the_disk_is_synced_before_an_ack_unless_a_test_gives_that_up(tmp_path, nats_server):
    with EmbeddedNats(tmp_path / "nats") as server:
        configuration = (server.data_dir / "nats.conf").read_text()

    assert "sync_interval: always" in configuration
    assert (tmp_path / "nats" / "nats.conf").stat().st_mode & 0o077 == 0
    assert "sync_interval: always" not in (nats_server.data_dir / "nats.conf").read_text()


def test_a_configuration_that_nats_refuses_is_told_in_its_words(tmp_path):
    with pytest.raises(ProcessEndedError, match=r"nats ended(?s:.*)config is invalid"):
        EmbeddedNats(tmp_path / "nats", authorization="nonsense").start()
