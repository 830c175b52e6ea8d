import http.client
import queue
import socket

import pytest

from flowtask_local.receiver import Answer, Receiver


@pytest.fixture
def receiver():
    """A receiver that answers 204 to all but `slow`, and the requests that it took."""
    arrivals = queue.SimpleQueue()
    release = queue.SimpleQueue()

    def take(arrival, reply):
        if arrival.body == b"slow":
            release.get(timeout=10)
        reply(Answer(204) if arrival.body != b"told" else Answer(503, {"Retry-After": "7"}, b"later"))
        arrivals.put(arrival)

    with Receiver(take) as entered:
        entered.arrivals, entered.release = arrivals, release
        yield entered


@pytest.fixture
def connect(receiver):
    """Connections to it."""
    opened = []

    def make():
        opened.append(http.client.HTTPConnection(receiver.url.split("/")[2], timeout=5))
        return opened[-1]

    yield make
    for connection in opened:
        connection.close()


def post(connection, body, headers):
    connection.request("POST", "/webhooks", body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_it_hands_on_exactly_what_it_was_sent_and_answers_over_one_connection(receiver, connect):
    connection = connect()
    for number in range(3):
        assert post(connection, f"body {number}".encode(), {"Webhook-Id": f"e{number}"}) == (204, b"")
    arrivals = [receiver.arrivals.get(timeout=5) for _ in range(3)]
    with pytest.raises(queue.Empty):
        receiver.arrivals.get_nowait()

    assert [(one.body, one.headers["webhook-id"]) for one in arrivals] == [
        (f"body {number}".encode(), f"e{number}") for number in range(3)
    ]


def test_it_answers_as_it_is_told(connect):
    connection = connect()
    connection.request("POST", "/webhooks", b"told")
    answer = connection.getresponse()

    assert (answer.status, answer.getheader("Retry-After"), answer.read()) == (503, "7", b"later")


def test_a_slow_request_holds_up_no_other(receiver, connect):
    slow = connect()
    slow.request("POST", "/webhooks", b"slow")
    assert post(connect(), b"quick", {}) == (204, b"")
    receiver.release.put(None)
    assert slow.getresponse().status == 204


def test_a_body_without_a_length_or_larger_than_it_takes_is_refused(receiver, connect):
    connection = connect()
    connection.request("POST", "/webhooks", iter([b"pieces"]), encode_chunked=True)
    assert connection.getresponse().status == 411
    with socket.create_connection(("127.0.0.1", connection.port), timeout=5) as plain:
        plain.sendall(b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n")
        assert plain.recv(100).startswith(b"HTTP/1.1 413 ")
    assert post(connect(), b"quick", {}) == (204, b"")
    assert receiver.arrivals.get(timeout=5).body == b"quick"
