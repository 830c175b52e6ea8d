import contextlib
import socket
import ssl
import threading
import time

import pytest

from flowtask_local.errors import LocalError
from flowtask_local.listen.forwarding import APP_SECONDS, App, _phrase, forward
from flowtask_local.ports import free_port
from flowtask_local.receiver import Answer, Arrival, Receiver

BODY = b'{"title": "T\xc3\xbcr",\n "x" : 1}'
HEADERS = {
    "content-type": "application/json",
    "user-agent": "FlowTask-Webhooks/1.0",
    "webhook-id": "e1",
    "webhook-signature": "v1,a v1,b",
    "x-flowtask-event": "task.created",
    "traceparent": "00-1-2-01",
    "host": "127.0.0.1:1",
    "connection": "keep-alive",
    "content-length": "999",
    "cookie": "a=b",
}
ARRIVAL = Arrival(0.0, HEADERS, BODY)


@pytest.fixture
def app():
    """Starts apps that answer like this; `requests` are what they were sent."""
    with contextlib.ExitStack() as running:

        def start(answer):
            requests = []

            def take(arrival, reply):
                requests.append(arrival)
                reply(answer)

            receiver = running.enter_context(Receiver(take))
            return receiver.url, requests

        yield start


@pytest.fixture
def raw_app():
    """Starts apps that write these pieces to whoever connects and then keep the connection open."""
    with contextlib.ExitStack() as running:

        def start(*pieces, pause=0.0, end=False):
            server = running.enter_context(socket.create_server(("127.0.0.1", 0)))

            def serve():
                connection, _ = server.accept()
                running.callback(connection.close)
                with contextlib.suppress(OSError):
                    connection.recv(65536)
                    for piece in pieces:
                        connection.sendall(piece)
                        time.sleep(pause)
                    if end:
                        connection.close()

            threading.Thread(target=serve, daemon=True).start()
            return f"http://127.0.0.1:{server.getsockname()[1]}/"

        yield start


def test_an_app_gets_the_same_bytes_and_the_headers_of_the_webhook_and_no_others(app):
    url, requests = app(Answer(200))
    forwarded = forward(App.at(url), ARRIVAL)

    [request] = requests
    assert (forwarded.status, forwarded.error, request.body) == (200, None, BODY)
    ours = {name: value for name, value in request.headers.items() if name not in {"host", "content-length"}}
    kept = {name: value for name, value in HEADERS.items() if name not in {"host", "content-length", "cookie"}}
    assert ours == {**kept, "connection": "close", "accept-encoding": "identity"}
    assert request.headers["content-length"] == str(len(BODY))


@pytest.mark.parametrize(
    ("answer", "headers"),
    [
        (Answer(500, {"Content-Type": "text/x"}, b"broken"), {"content-type": "text/x"}),
        (Answer(302, {"Location": "http://127.0.0.1:1/elsewhere"}), {"location": "http://127.0.0.1:1/elsewhere"}),
        (Answer(429, {"Retry-After": "5", "Set-Cookie": "a=b"}), {"retry-after": "5"}),
        (Answer(204), {}),
        (Answer(599), {}),
    ],
)
def test_whatever_the_app_answers_is_the_answer_redirects_too(app, answer, headers):
    url, requests = app(answer)
    forwarded = forward(App.at(url), ARRIVAL)

    assert (forwarded.status, forwarded.error) == (answer.status, None)
    assert forwarded.answer == Answer(answer.status, headers, answer.body)
    assert len(requests) == 1


def test_a_long_answer_is_kept_up_to_a_limit(app):
    url, _ = app(Answer(200, {}, b"x" * 1_000_000))

    assert forward(App.at(url), ARRIVAL).answer.body == b"x" * 16 * 1024


def test_an_app_that_is_too_slow_is_504_however_it_is_slow(raw_app):
    assert APP_SECONDS < 10, "FlowTask waits 10 s for the whole attempt"
    for url in (raw_app(), raw_app(*[b"HTTP/1.1 200 OK\r\n", *[b"a: b\r\n"] * 100], pause=0.05)):
        began = time.monotonic()
        forwarded = forward(App.at(url), ARRIVAL, seconds=0.3)

        assert time.monotonic() - began < 2
        assert (forwarded.status, forwarded.answer.status) == (None, 504)
        assert forwarded.error == "did not answer within 0.3 s"
        assert b"did not answer within 0.3 s" in forwarded.answer.body


def test_a_status_that_has_come_counts_although_its_body_does_not_end(raw_app):
    url = raw_app(b"HTTP/1.1 201 Created\r\n\r\n", b"begun")
    forwarded = forward(App.at(url), ARRIVAL, seconds=0.5)
    assert (forwarded.status, forwarded.answer.body) == (201, b"begun")

    url = raw_app(b"HTTP/1.1 500 No\r\nContent-Length: 10\r\n\r\nhalf", end=True)
    assert forward(App.at(url), ARRIVAL).status == 500


@pytest.mark.parametrize(
    ("said", "phrase"),
    [
        ((b"",), "closed the connection without an answer"),
        ((b"SSH-2.0\r\n",), "did not answer in HTTP"),
        ((b"HTTP/1.1 101 Switching\r\n\r\n",), "did not answer in HTTP"),
    ],
)
def test_an_app_that_gives_no_answer_is_502_with_one_phrase(raw_app, said, phrase):
    forwarded = forward(App.at(raw_app(*said, end=True)), ARRIVAL)

    assert (forwarded.answer.status, forwarded.error) == (502, phrase)


def test_an_app_that_does_not_run_is_502_with_one_phrase():
    forwarded = forward(App.at(f"http://localhost:{free_port()}"), ARRIVAL)

    assert (forwarded.answer.status, forwarded.status) == (502, None)
    assert forwarded.error == "refused the connection: nothing listens there"


@pytest.mark.parametrize(
    ("error", "phrase"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "has a host that is not known"),
        (ssl.SSLCertVerificationError(1, "self-signed"), "has a certificate that this machine does not trust"),
        (ConnectionResetError(104, "reset"), "closed the connection without an answer"),
        (OSError(113, "No route to host"), "could not be reached (No route to host)"),
        (ValueError("odd"), "could not be reached (ValueError)"),
    ],
)
def test_each_way_not_to_reach_an_app_has_its_phrase(error, phrase):
    assert _phrase(error) == phrase


def test_plain_http_behind_an_https_url_is_said(app):
    url, _ = app(Answer(200))

    assert forward(App.at(url.replace("http:", "https:")), ARRIVAL).error == "does not speak TLS"


def test_proxies_of_the_environment_are_not_used(app, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    url, _ = app(Answer(200))

    assert forward(App.at(url), ARRIVAL).status == 200


@pytest.mark.parametrize(
    "url", ["", "localhost:3000", "/hooks", "ftp://host/x", "http://", "http:///x", "http://host:x/", "http://a b/"]
)
def test_a_url_that_is_none_is_told_in_one_sentence(url):
    with pytest.raises(LocalError, match="begins with http:// or https:// and a host") as refused:
        App.at(url)
    assert str(refused.value).count("\n") == 0


def test_the_parts_of_a_url():
    app = App.at("https://me:pass%20word@[::1]:8443/hööks?a=b%20c#here")

    assert (app.https, app.host, app.port) == (True, "::1", 8443)
    assert app.path == "/h%C3%B6%C3%B6ks?a=b%20c"
    assert app.authorization == "Basic bWU6cGFzcyB3b3Jk"
    assert app.url == "https://[::1]:8443/hööks?a=b%20c"
    assert App.at("http://localhost:3000").path == "/"
