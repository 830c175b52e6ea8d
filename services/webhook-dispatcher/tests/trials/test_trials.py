"""Test webhooks: real requests to real receivers, told of in one answer and nowhere else."""

import asyncio
from datetime import timedelta
from ipaddress import ip_network
from uuid import uuid4

import jsonschema
import pytest
from standardwebhooks import Webhook

from flowtask_contracts.commands import GetEndpoint, GetEndpointHealth, SendTest, SendTestTo, UpdateEndpoint
from flowtask_contracts.errors import Conflict, NotFound, RateLimited, ServiceUnavailable, ValidationFailed
from flowtask_contracts.event_types import event_types
from flowtask_kit.ids import new_id
from flowtask_webhook_dispatcher.dispatch.payload import PublicEvent
from flowtask_webhook_dispatcher.keyring import new_secret
from flowtask_webhook_dispatcher.signing import SigningKey
from flowtask_webhook_dispatcher.transport import AddressPolicy, Admission, HookClient, parse_url
from flowtask_webhook_dispatcher.trials.errors import CutShort
from flowtask_webhook_dispatcher.trials.limits import MOST_OF_A_WORKSPACE, MOST_TO_A_HOST
from flowtask_webhook_dispatcher.trials.service import Prepared, Trials

CONFIDED = "Bearer c2VjcmV0IG9mIHRoZSByZWNlaXZlcg"


@pytest.fixture
async def served(serve):
    return await serve()


@pytest.fixture
def send(ask, workspace, served):  # noqa: ARG001 - the service answers
    async def asking(endpoint, **more):
        return await ask(
            SendTest(**{"workspace_id": workspace, "command_id": new_id(), "endpoint_id": endpoint.id, **more})
        )

    return asking


@pytest.fixture
def send_to(ask, workspace, served):  # noqa: ARG001 - the service answers
    async def asking(url, **more):
        return await ask(SendTestTo(**{"workspace_id": workspace, "command_id": new_id(), "url": url, **more}))

    return asking


@pytest.fixture
def nothing_on_record(rows_of):
    """That a test has left nothing but that there was one."""

    async def check(tests):
        for table in ("messages", "deliveries", "attempts", "due", "attempt_counts", "outbox"):
            assert await rows_of(table) == [], table
        assert len(await rows_of("trials")) == tests

    return check


async def test_a_test_is_a_signed_webhook_that_says_so_and_its_outcome_comes_back(
    receive, subscribe, send, nothing_on_record
):
    receiver = await receive(lambda _request: (201, {"X-Seen": "yes"}))
    endpoint = await subscribe(receiver.url, ["task.*"], headers={"Authorization": CONFIDED})

    sent = await send(endpoint, event="task.updated")

    [request] = receiver.requests
    assert Webhook(endpoint.secret).verify(request.body, request.headers) == request.document == sent.payload
    assert (request.headers["x-flowtask-test"], request.document["test"]) == ("true", True)
    assert request.headers["authorization"] == CONFIDED
    assert (request.event_id, request.headers["x-flowtask-delivery"]) == (str(sent.id), str(sent.delivery_id))
    schema = event_types()["task.updated"].json_schema
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(request.document)
    assert (sent.event, sent.status_code, sent.delivered, sent.matches) == ("task.updated", 201, True, True)
    assert (sent.response_body, sent.response_truncated, sent.error, sent.secret) == ("body", False, None, None)
    assert ("X-Seen", "yes") in {(header.name, header.value) for header in sent.response_headers}
    told = {header.name: header.value for header in sent.request_headers}
    assert (told["Authorization"], told["X-FlowTask-Test"]) == ("********", "true")
    assert CONFIDED not in sent.model_dump_json()
    assert sent.duration_ms >= sent.first_byte_ms - 1 >= 0
    assert sent.connect_ms is not None
    await nothing_on_record(1)


async def test_a_webhook_that_is_off_or_fails_is_tested_too_and_its_circuit_and_health_know_nothing_of_it(
    receive, subscribe, send, ask, workspace, nothing_on_record
):
    receiver = await receive(500)
    endpoint = await subscribe(receiver.url, active=False)
    before = await ask(GetEndpoint(workspace_id=workspace, endpoint_id=endpoint.id))
    for _ in range(6):  # one more than opens a circuit
        sent = await send(endpoint)
        assert (sent.status_code, sent.delivered) == (500, False)
    assert await ask(GetEndpoint(workspace_id=workspace, endpoint_id=endpoint.id)) == before
    health = await ask(GetEndpointHealth(workspace_id=workspace, endpoint_id=endpoint.id))
    assert (health.circuit, {window.attempts for window in health.windows}) == ("closed", {0})
    await nothing_on_record(6)
    gone = await receive(lambda _request: (410, {"webhook-delivery": "disable"}))
    active = await subscribe(gone.url)
    assert (await send(active)).status_code == 410
    assert (await ask(GetEndpoint(workspace_id=workspace, endpoint_id=active.id))).active


async def test_form_and_filter_are_the_webhooks_own(receive, subscribe, send, ask, workspace):
    receiver = await receive()
    endpoint = await subscribe(receiver.url, ["task.*"], payload="thin", filter={"path": "data.priority", "eq": "LOW"})
    sent = await send(endpoint)
    schema = event_types()["task.created"].thin_schema
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(
        receiver.requests[0].document
    )
    assert (sent.payload["payload"], sent.payload["test"], sent.matches) == ("thin", True, False)
    change = {"payload": "full", "filter": {"path": "data.priority", "eq": "HIGH"}}
    await ask(UpdateEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id, **change))
    assert (await send(endpoint)).matches
    assert not (await send(endpoint, event="project.created")).matches
    assert len(receiver.requests) == 3


async def test_no_answer_is_told_in_words(subscribe, send, send_to):
    endpoint = await subscribe("http://127.0.0.1:1/")
    for sent in (await send(endpoint), await send_to("http://127.0.0.1:1/")):
        assert (sent.status_code, sent.delivered, sent.error_code) == (None, False, "connect_refused")
        assert sent.error.endswith(".")
        assert sent.request_headers


async def test_a_repeat_sends_nothing_again_and_gets_the_first_answer(receive, subscribe, send, send_to, until):
    answering = asyncio.Event()

    async def slowly(_request):
        await answering.wait()
        return 200

    receiver = await receive(slowly)
    endpoint = await subscribe(receiver.url)
    command_id = new_id()
    first = asyncio.create_task(send(endpoint, command_id=command_id))
    await until(lambda: receiver.requests)
    with pytest.raises(Conflict, match="is under way"):
        await send(endpoint, command_id=command_id)
    answering.set()
    assert (await first).delivered
    assert (await send(endpoint, command_id=command_id)) == await first
    shown = await send_to(receiver.url, command_id=(other := new_id()))
    again = await send_to(receiver.url, command_id=other)
    assert shown.secret.startswith("whsec_")
    assert again == shown.model_copy(update={"secret": None, "secret_shown": True})
    assert len(receiver.requests) == 2


async def test_a_receiver_that_hangs_up_on_a_kept_connection_gets_the_test_once(
    receive, subscribe, publish, settled, send
):
    async def hang_up(request):
        if "x-flowtask-test" in request.headers:
            raise ConnectionResetError
        return 200

    receiver = await receive(hang_up)
    endpoint = await subscribe(receiver.url)
    event = await publish()
    await settled(endpoint, event, "delivered")
    sent = await send(endpoint)
    assert (sent.delivered, sent.error_code) == (False, "closed")
    assert receiver.ids() == [str(event), str(sent.id)]


async def test_a_test_that_could_not_be_sent_is_sent_by_a_repeat(
    receive, serve, subscribe, connect_proxy, ask, workspace
):
    receiver = await receive()
    proxy = await connect_proxy(answer=b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    await serve(webhooks_proxy_url=proxy.url)
    endpoint = await subscribe(receiver.url)
    command = SendTest(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id)
    with pytest.raises(ServiceUnavailable) as refusal:
        await ask(command)
    assert (refusal.value.retry_after, receiver.requests) == (5, [])
    proxy.answer, proxy.default = None, receiver.port
    sent = await ask(command)
    assert (sent.delivered, receiver.ids()) == (True, [str(sent.id)])


async def test_a_test_that_a_shutdown_cuts_short_says_that_it_may_have_been_sent(
    receive, cloud_event, workspace, until
):
    answering = asyncio.Event()

    async def slowly(_request):
        await answering.wait()
        return 200

    receiver = await receive(slowly)
    admission = Admission(AddressPolicy((ip_network("127.0.0.0/8"),)), allow_http=True, ports=(range(1, 65536),))
    client = HookClient(admission)
    trials = Trials(client, None, allow_http=True, timeout=60)
    event = PublicEvent.parse(cloud_event())
    key = SigningKey.of(new_secret())
    test = Prepared(event, new_id(), parse_url(receiver.url, allow_http=True), key, thin=False)
    command = SendTestTo(workspace_id=workspace, command_id=new_id(), url=receiver.url)
    sending = asyncio.create_task(trials.send(command, test))
    await until(lambda: receiver.requests)
    await client.aclose()
    with pytest.raises(CutShort, match="may have been sent") as refusal:
        await sending
    assert (refusal.value.status, refusal.value.retry_after) == (503, None)
    assert not isinstance(refusal.value, ServiceUnavailable), "or else a repeat would send it once more"


async def test_no_transaction_is_open_while_the_receiver_answers(receive, subscribe, send, pool, until):
    async def look(_request):
        """Answer once every transaction has ended that was open when the request came."""
        came = await pool.fetchval("SELECT clock_timestamp()")

        async def ended():
            return not await pool.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start < $1"
                " AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
                came,
            )

        await until(ended)
        return 200

    receiver = await receive(look)
    endpoint = await subscribe(receiver.url, active=False)
    assert (await send(endpoint)).delivered


async def test_a_url_that_is_no_webhook_yet_is_tested_under_a_secret_given_or_new(receive, send_to, nothing_on_record):
    receiver = await receive()
    own = new_secret()
    given = await send_to(receiver.url, secret=own, headers={"X-Tenant": "7"}, payload="thin", event="project.deleted")
    assert given.secret is None
    made = await send_to(receiver.url)
    for request, secret in zip(receiver.requests, (own, made.secret), strict=True):
        assert Webhook(secret).verify(request.body, request.headers)["test"] is True
    assert receiver.requests[0].headers["x-tenant"] == "7"
    assert (given.payload["event"], given.payload["payload"], given.matches) == ("project.deleted", "thin", None)
    await nothing_on_record(2)


async def test_what_may_not_be_tested_is_refused_at_its_place_and_nothing_is_sent(
    receive, subscribe, send, send_to, ask, workspace, rows_of
):
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    for asked, field in (
        (send(endpoint, event="task.vanished"), "event"),
        (send_to(receiver.url, event="task.*"), "event"),
        (send_to("ftp://example.com/"), "url"),
        (send_to("http://10.0.0.1/"), "url"),
        (send_to(receiver.url, headers={"Host": "x"}), "headers.Host"),
    ):
        with pytest.raises(ValidationFailed) as refusal:
            await asked
        assert [detail.field for detail in refusal.value.details] == [field]
    for asked in (
        ask(SendTest(workspace_id=uuid4(), command_id=new_id(), endpoint_id=endpoint.id)),
        ask(SendTest(workspace_id=workspace, command_id=new_id(), endpoint_id=uuid4())),
    ):
        with pytest.raises(NotFound):
            await asked
    assert (receiver.requests, await rows_of("trials")) == ([], [])


async def test_a_saved_url_that_may_no_longer_be_used_is_not_called(receive, subscribe, serve, ask, workspace):
    receiver = await receive()
    first = await serve()
    endpoint = await subscribe(receiver.url)
    await first.stop()
    await serve(webhooks_allow_private_networks="")
    sent = await ask(SendTest(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id))
    assert (sent.error_code, sent.delivered, receiver.requests) == ("forbidden_address", False, [])


async def test_nobody_is_flooded_whatever_the_number_of_replicas(receive, subscribe, send, send_to, serve, sql):
    await serve()
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    answers = await asyncio.gather(*(send(endpoint) for _ in range(MOST_OF_A_WORKSPACE + 5)), return_exceptions=True)
    refused = [each for each in answers if isinstance(each, RateLimited)]
    assert (len(refused), len(receiver.requests)) == (5, MOST_OF_A_WORKSPACE)
    assert all(0 < each.retry_after <= 61 for each in refused)
    others = [send_to(receiver.url, workspace_id=uuid4()) for _ in range(MOST_TO_A_HOST)]
    answers = await asyncio.gather(*others, return_exceptions=True)
    assert sum(isinstance(each, RateLimited) for each in answers) == MOST_OF_A_WORKSPACE
    assert len(receiver.requests) == MOST_TO_A_HOST
    await sql("UPDATE webhooks.trials SET at = at - $1::interval", timedelta(minutes=1))
    assert (await send(endpoint)).delivered
    assert (await sql("SELECT count(*) FROM webhooks.trials"))[0][0] == 1
