"""A stand-in for Clerk: people, organizations, session tokens of both versions, and keys that rotate, under a URL of this machine.

    with FakeClerk() as clerk:
        ada = clerk.user(first_name="Ada", email="ada@example.com")
        acme = clerk.organization("acme")
        token = clerk.token(ada, acme, role="org:admin")

An API whose FLOWTASK_CLERK_ISSUER is `clerk.issuer` takes the token. `fails`, `says`, `stalls` and `down` are Clerk's bad days.
"""

import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from ..ports import HOST

JWKS_PATH = "/.well-known/jwks.json"
ORIGIN = "http://localhost:3000"
"""Where the frontend of the tokens seems to be, if nothing else is said."""

LIFETIME_SECONDS = 60


@dataclass(frozen=True)
class SigningKey:
    """A key pair under its id."""

    private: rsa.RSAPrivateKey
    key_id: str = field(default_factory=lambda: f"ins_{secrets.token_hex(8)}")

    @classmethod
    def new(cls, bits: int = 2048) -> Self:
        """A fresh one; that takes some tenths of a second."""
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=bits))

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half, as it stands in a key set."""
        public = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "use": "sig", "alg": "RS256", "kid": self.key_id}


@dataclass(frozen=True)
class FakeUser:
    """A person; `email_verified` None means that the application's tokens do not tell."""

    id: str
    email: str | None = None
    email_verified: bool | None = None
    first_name: str | None = None
    last_name: str | None = None

    @property
    def template(self) -> dict[str, Any]:
        """What the application has added to its session tokens."""
        added = {
            "userId": self.id,
            "email": self.email,
            "emailVerified": self.email_verified,
            "firstName": self.first_name,
            "lastName": self.last_name,
        }
        return {name: value for name, value in added.items() if value is not None}


@dataclass(frozen=True)
class FakeOrganization:
    """An organization."""

    id: str
    slug: str


@dataclass(frozen=True)
class _Answer:
    status: int = 200
    body: bytes | None = None
    after: float = 0.0


class FakeClerk:
    """Listens while it is entered. `keys` are taken one after another, then new ones are made."""

    def __init__(self, keys: Sequence[SigningKey] = ()) -> None:
        self._spare = list(keys)
        self._port = 0
        self._server: _Server | None = None
        self._answer = _Answer()
        self._released = threading.Event()
        self._asked = 0
        self._counting = threading.Lock()
        self.published: list[dict[str, Any]] = []
        self.key = self._next_key()

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hang_up()

    @property
    def issuer(self) -> str:
        """The URL to be named as the issuer."""
        return f"http://{HOST}:{self._port}"

    @property
    def asked(self) -> int:
        """How many requests for the keys have come."""
        return self._asked

    def user(
        self,
        *,
        email: str | None = None,
        email_verified: bool | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
    ) -> FakeUser:
        """Someone new."""
        return FakeUser(f"user_{secrets.token_hex(12)}", email, email_verified, first_name, last_name)

    def organization(self, slug: str) -> FakeOrganization:
        """A new organization."""
        return FakeOrganization(f"org_{secrets.token_hex(12)}", slug)

    def token(
        self,
        user: FakeUser,
        organization: FakeOrganization | None = None,
        *,
        role: str = "org:admin",
        version: int = 2,
        key: SigningKey | None = None,
        issued: float = 0.0,
        header: Mapping[str, Any] | None = None,
        claims: Mapping[str, Any] | None = None,
        without: Sequence[str] = (),
    ) -> str:
        """A session token, issued `issued` seconds from now. `header` and `claims` replace, `without` removes what is usual."""
        everything = {**self.claims(user, organization, role=role, version=version, issued=issued), **(claims or {})}
        kept = {name: value for name, value in everything.items() if name not in without}
        used = key or self.key
        heading = {"kid": used.key_id, "cat": "cl_stand_in", **(header or {})}
        heading = {name: value for name, value in heading.items() if name not in without}
        return jwt.PyJWS().encode(orjson.dumps(kept), used.private, algorithm="RS256", headers=heading)

    def claims(
        self,
        user: FakeUser,
        organization: FakeOrganization | None = None,
        *,
        role: str = "org:admin",
        version: int = 2,
        issued: float = 0.0,
    ) -> dict[str, Any]:
        """What Clerk writes into a token."""
        now = int(time.time() + issued)
        return {
            "iss": self.issuer,
            "sub": user.id,
            "sid": f"sess_{user.id[-8:]}",
            "azp": ORIGIN,
            "iat": now,
            "nbf": now - 10,
            "exp": now + LIFETIME_SECONDS,
            "fva": [0, -1],
            "jti": secrets.token_hex(10),
            **({"v": 2, "sts": "active"} if version == 2 else {}),  # noqa: PLR2004 - Clerk's own number
            **_organization_claims(organization, role, version),
            **user.template,
        }

    def rotate(self, *, keep_old: bool = False) -> None:
        """Sign with a new key from now on, and publish it in the place of the old one or beside it."""
        published = list(self.published)
        self.key = self._next_key()
        if keep_old:
            self.published = [*published, self.key.jwk]

    @contextlib.contextmanager
    def fails(self, status: int = 500) -> Iterator[None]:
        """Meanwhile every request for keys gets this status."""
        with self._answering(_Answer(status, b"Sorry.")):
            yield

    @contextlib.contextmanager
    def says(self, body: bytes) -> Iterator[None]:
        """Meanwhile every request for keys gets 200 and this."""
        with self._answering(_Answer(200, body)):
            yield

    @contextlib.contextmanager
    def stalls(self, seconds: float) -> Iterator[None]:
        """Meanwhile every answer waits as long, or until this ends."""
        with self._answering(_Answer(after=seconds)):
            yield

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Meanwhile nobody listens."""
        self._hang_up()
        try:
            yield
        finally:
            self._listen()

    @contextlib.contextmanager
    def _answering(self, answer: _Answer) -> Iterator[None]:
        self._released.clear()
        self._answer = answer
        try:
            yield
        finally:
            self._answer = _Answer()
            self._released.set()

    def serve_keys(self) -> tuple[int, bytes]:
        """What a request for the keys gets, when it gets it."""
        with self._counting:
            self._asked += 1
        answer = self._answer
        if answer.after:
            self._released.wait(answer.after)
        return answer.status, orjson.dumps({"keys": self.published}) if answer.body is None else answer.body

    def _next_key(self) -> SigningKey:
        key = self._spare.pop(0) if self._spare else SigningKey.new()
        self.published = [key.jwk]
        return key

    def _listen(self) -> None:
        server = _Server((HOST, self._port), _Handler)
        server.clerk = self
        self._port = server.server_port
        self._server = server
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def _hang_up(self) -> None:
        self._released.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.hang_up()
            self._server = None


def bearer(token: str, **more: str) -> dict[str, str]:
    """The headers of a request with a token, and more of them."""
    return {"Authorization": f"Bearer {token}", **more}


def _organization_claims(organization: FakeOrganization | None, role: str, version: int) -> dict[str, Any]:
    if organization is None:
        return {}
    if version == 1:
        return {"org_id": organization.id, "org_role": role, "org_slug": organization.slug, "org_permissions": []}
    return {"o": {"id": organization.id, "rol": role.removeprefix("org:"), "slg": organization.slug}}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    clerk: FakeClerk

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection, and remember it."""
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, and forget it."""
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close everything, kept connections as well."""
        self.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a caller who hangs up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Answer with the keys, or with 404."""
        status, body = self.server.clerk.serve_keys() if self.path == JWKS_PATH else (404, b"{}")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing of each request."""
