"""TLS: the certificate must be valid, trusted and the host's own."""

import asyncio
import datetime as dt
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flowtask_webhook_dispatcher.transport import AddressPolicy, Failure, HookClient, TransportError

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


class Authority:
    """A certificate authority that lives for one test run."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        key_usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - DAY)
            .not_valid_after(NOW + DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(key_usage, critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def client_context(self):
        context = ssl.create_default_context(cadata=self.certificate.public_bytes(serialization.Encoding.PEM).decode())
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # what some distributions' Pythons leave to OpenSSL's settings
        return context

    def server_context(self, host, ends=NOW + DAY):
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            name = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")]))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 2 * DAY)
            .not_valid_after(ends)
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        path = self.folder / f"{self.name}-{host.replace(':', '_')}-{ends:%d}.pem"
        pem = serialization.Encoding.PEM
        plain = serialization.NoEncryption()
        path.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


@pytest.fixture(scope="module")
def trusted(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"), "trusted")


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"), "untrusted")


async def to_loopback(_host, _port):
    return ["127.0.0.1"]


@pytest.fixture
def client(make_client, trusted):
    return make_client(allow_http=False, tls=trusted.client_context(), resolve=to_loopback)


async def failure(client, target, timeout=5):  # noqa: ASYNC109  the client's own deadline
    with pytest.raises(TransportError) as caught:
        await client.post(target, [], b"x", timeout=timeout)
    return caught.value


@pytest.mark.parametrize("host", ["hooks.example", "127.0.0.1"])
async def test_a_trusted_certificate_for_the_host_is_accepted_and_the_connection_reused(
    client, receive, trusted, ok, host
):
    receiver = await receive(ok, tls=trusted.server_context(host))
    for _ in range(5):
        answer = await client.post(receiver.target(host=host, scheme="https"), [], b"x", timeout=5)
        assert (answer.status, answer.body, answer.address) == (200, b"ok", "127.0.0.1")
    assert receiver.connections == 1


async def test_a_certificate_for_another_host_is_refused(client, receive, trusted, ok):
    receiver = await receive(ok, tls=trusted.server_context("hooks.example"))
    for host in ("other.example", "127.0.0.1"):
        error = await failure(client, receiver.target(host=host, scheme="https"))
        assert error.kind is Failure.TLS
        assert "mismatch" in error.message
    assert receiver.requests == []


async def test_a_certificate_of_an_unknown_authority_is_refused(client, receive, untrusted, ok):
    receiver = await receive(ok, tls=untrusted.server_context("hooks.example"))
    error = await failure(client, receiver.target(host="hooks.example", scheme="https"))
    assert error.kind is Failure.TLS
    assert error.message.startswith("the certificate is not valid: ")
    assert receiver.requests == []


async def test_an_expired_certificate_is_refused(client, receive, trusted, ok):
    receiver = await receive(ok, tls=trusted.server_context("hooks.example", ends=NOW - DAY))
    error = await failure(client, receiver.target(host="hooks.example", scheme="https"))
    assert error.kind is Failure.TLS
    assert "expired" in error.message


async def test_the_system_authorities_are_the_default(make_client, receive, trusted, ok):
    receiver = await receive(ok, tls=trusted.server_context("hooks.example"))
    client = make_client(tls=None, resolve=to_loopback)
    assert (await failure(client, receiver.target(host="hooks.example", scheme="https"))).kind is Failure.TLS


async def test_a_receiver_without_tls_is_a_tls_error(client, receive):
    async def behave(peer):
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    receiver = await receive(behave)
    assert (await failure(client, receiver.target(host="hooks.example", scheme="https"))).kind is Failure.TLS


async def test_hanging_up_during_the_handshake_is_a_tls_error(client, receive, until, open_files):
    async def behave(peer):
        peer.reset()

    receiver = await receive(behave)
    before = open_files()
    assert (await failure(client, receiver.target(host="hooks.example", scheme="https"))).kind is Failure.TLS
    await until(lambda: open_files() <= before)


async def test_a_handshake_that_hangs_ends_at_the_deadline_and_leaves_nothing_open(client, receive, until, open_files):
    async def behave(peer):
        while not await peer.gone():
            pass

    receiver = await receive(behave)
    before = open_files()
    assert (await failure(client, receiver.target(host="hooks.example", scheme="https"), 0.2)).kind is Failure.TIMEOUT
    await until(lambda: not receiver.tasks and open_files() <= before)


async def test_cancelling_within_the_handshake_leaves_nothing_open(client, receive, until, trusted, ok, open_files):
    receiver = await receive(ok, tls=trusted.server_context("hooks.example"))
    target = receiver.target(host="hooks.example", scheme="https")
    before = open_files()
    for turns in range(25):
        post = asyncio.create_task(client.post(target, [], b"x", timeout=5))
        for _ in range(turns):
            await asyncio.sleep(0)
        post.cancel()
        await asyncio.gather(post, return_exceptions=True)
    await client.aclose()
    await until(lambda: open_files() <= before)


async def test_a_megabyte_goes_through_tls(client, receive, trusted):
    async def behave(peer):
        await asyncio.sleep(0.02)
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")

    receiver = await receive(behave, tls=trusted.server_context("hooks.example"))
    answer = await client.post(receiver.target(host="hooks.example", scheme="https"), [], b"x" * 1_000_000, timeout=5)
    assert (answer.body, len(receiver.requests[0]) > 1_000_000) == (b"until the end", True)


async def test_a_flood_through_tls_is_cut_off(client, receive, until, trusted):
    async def behave(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.send(b"x" * 65_536)
            await asyncio.sleep(0)

    receiver = await receive(behave, tls=trusted.server_context("hooks.example"))
    answer = await client.post(receiver.target(host="hooks.example", scheme="https"), [], b"x", timeout=5)
    assert (len(answer.body), answer.truncated) == (16_384, True)
    await until(lambda: client.open_connections == 0)


def unverified():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def any_host():
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


@pytest.mark.parametrize("make", [unverified, any_host])
def test_a_context_that_does_not_verify_is_refused(make):
    with pytest.raises(ValueError, match="verify"):
        HookClient(AddressPolicy(), tls=make())
