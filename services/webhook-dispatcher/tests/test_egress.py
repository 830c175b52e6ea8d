"""Webhooks through an egress proxy: an outage of it is ours and uses up no try."""

from structlog.testing import capture_logs

from flowtask_local.ports import free_port


async def test_while_the_proxy_is_away_nothing_counts_and_then_the_first_try_is_the_first(
    serve, receive, subscribe, publish, settled, delivery, connect_proxy, until
):
    receiver, port = await receive(), free_port()
    await serve(webhooks_proxy_url=f"http://flowtask:hunter2@127.0.0.1:{port}")

    async def waits():
        found = await delivery(endpoint, event)
        return found is not None and found.next_attempt_at is not None

    with capture_logs() as logged:
        endpoint = await subscribe(receiver.url)
        event = await publish()
        await until(waits)
    assert receiver.requests == []
    assert "proxy: The egress proxy cannot be reached." in [line.get("error") for line in logged]
    assert "hunter2" not in str(logged)
    proxy = await connect_proxy(default=receiver.port, port=port)
    found = await settled(endpoint, event, "delivered")
    [attempt] = found.attempt_log
    assert (attempt.number, attempt.status_code) == (1, 200)
    assert proxy.asked_for == [b"127.0.0.1:%d" % receiver.port]


async def test_a_receiver_that_the_proxy_cannot_reach_uses_up_its_tries(
    serve, receive, subscribe, publish, delivery, connect_proxy, until
):
    receiver = await receive()
    proxy = await connect_proxy(answer=b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
    await serve(webhooks_proxy_url=proxy.url)
    endpoint = await subscribe(receiver.url)
    event = await publish()

    async def tried():
        found = await delivery(endpoint, event)
        return found is not None and found.attempt_log

    [attempt, *_] = await until(tried)
    assert (attempt.error_code, attempt.error) == ("connect_unreachable", "The receiver cannot be reached.")
