"""A URL is judged when it is saved: its port, its address, and what its name resolves to; no transaction waits for that."""

import asyncio
import socket
from types import SimpleNamespace
from uuid import uuid4

import pytest

from flowtask_contracts.commands import CreateEndpoint, UpdateEndpoint
from flowtask_contracts.errors import NotFound, ValidationFailed
from flowtask_kit.ids import new_id

INWARD = "The host name resolves to an address that webhooks may not go to."


@pytest.fixture
def names():
    """A name server: addresses by name; a name it does not know does not exist. `pending` holds its answers back."""
    return SimpleNamespace(
        addresses={"good.example": ["8.8.8.8"], "inner.example": ["8.8.8.8", "10.1.2.3"]},
        asked=[],
        pending=None,
    )


@pytest.fixture
def resolve(names):
    async def answer(host, _port):
        names.asked.append(host)
        if names.pending is not None:
            await names.pending.wait()
        if host not in names.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return names.addresses[host]

    return answer


@pytest.fixture
async def served(serve):
    """A dispatcher that allows what a public installation allows, and one more port."""
    return await serve(webhooks_allow_http=False, webhooks_allow_private_networks="", webhooks_ports="8443")


@pytest.fixture
def change(ask, workspace):
    async def send(endpoint_id, **fields):
        return await ask(UpdateEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint_id, **fields))

    return send


async def refusal(attempt):
    with pytest.raises(ValidationFailed) as caught:
        await attempt
    [detail] = caught.value.details
    assert detail.field == "url"
    return detail.message


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://inner.example/", INWARD),
        ("https://INNER.example./", INWARD),
        ("https://good.example:22/", "Webhooks may not go to port 22, only to 443 and 8443."),
        ("https://169.254.169.254/", "Webhooks may not go to the address 169.254.169.254: link local (RFC 3927)."),
        ("http://good.example/", "the URL must begin with https://"),
    ],
)
async def test_a_url_that_leads_inside_is_refused_in_words_when_it_is_given_or_changed(
    subscribe, change, rows_of, url, message
):
    kept = await subscribe("https://good.example/")
    assert await refusal(subscribe(url)) == message
    assert await refusal(change(kept.id, url=url)) == message
    assert "10.1.2.3" not in message
    assert [row["url"] for row in await rows_of("endpoints")] == ["https://good.example/"]
    assert (await change(kept.id, url="https://good.example:8443/")).url == "https://good.example:8443/"


@pytest.mark.usefixtures("served")
async def test_a_name_that_does_not_exist_yet_may_be_saved(subscribe, names):
    assert (await subscribe("https://later.example/")).active
    assert names.asked == ["later.example"]


@pytest.mark.usefixtures("served")
async def test_a_name_server_that_hangs_holds_up_the_save_for_two_seconds_and_no_transaction(
    subscribe, names, sql, until
):
    names.pending = asyncio.Event()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    saving = asyncio.create_task(subscribe("https://good.example/"))
    await until(lambda: names.asked)

    async def none_is_open():
        [open_now] = await sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return open_now["count"] == 0

    await until(none_is_open, limit=1.5)  # others come and go; this one's would stay for as long as it waits
    assert not saving.done()
    assert (await saving).active
    assert 1.9 <= loop.time() - begun < 4.5


@pytest.mark.usefixtures("served")
async def test_a_url_that_stays_is_not_judged_again_so_that_its_endpoint_can_be_paused(subscribe, change, names):
    made = await subscribe("https://good.example/")
    names.addresses["good.example"] = ["10.1.2.3"]
    paused = await change(made.id, url="https://good.example/", active=False)
    assert not paused.active
    assert await refusal(change(made.id, url="https://good.example/other")) == INWARD


@pytest.mark.usefixtures("served")
async def test_a_repeat_gets_the_first_answer_whatever_the_name_says_by_then(ask, workspace, names):
    command = CreateEndpoint(
        workspace_id=workspace, command_id=new_id(), created_by=uuid4(), url="https://good.example/", events=("*",)
    )
    first = await ask(command)
    names.addresses["good.example"] = ["10.1.2.3"]
    assert (await ask(command)).id == first.id


@pytest.mark.usefixtures("served")
async def test_an_endpoint_that_is_not_there_is_not_found_whatever_its_url(change):
    with pytest.raises(NotFound):
        await change(uuid4(), url="https://inner.example/")
