"""Sending one test webhook: what has to be known in a transaction, the request itself outside of any."""

from dataclasses import dataclass, field
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.base import rfc3339
from flowtask_contracts.commands.webhook_tests import SendTest, SendTestTo, SentTest
from flowtask_contracts.errors import ErrorDetail, ServiceUnavailable, ValidationFailed
from flowtask_contracts.event_types import sample_document
from flowtask_contracts.events import PUBLIC_TYPES
from flowtask_contracts.webhook_content import PayloadForm, check_headers
from flowtask_kit.ids import new_id, utc_now

from ..deliveries.identity import delivery_id
from ..deliveries.models import Accepted, headers_of
from ..dispatch import outcomes
from ..dispatch.payload import PublicEvent
from ..dispatch.work import Result
from ..endpoints import patterns
from ..endpoints.content import OwnHeaders, opened
from ..endpoints.errors import NothingIsSent, SecretUnreadable
from ..endpoints.keys import Sealed, signing_key
from ..endpoints.models import Endpoint
from ..endpoints.policy import STANDARD
from ..endpoints.service import EndpointRules, endpoint_of
from ..filters.compiling import compiled
from ..keyring import CannotDecrypt, KeyRing, new_secret
from ..signing import SigningKey, signed_headers
from ..transport import Failure, InvalidUrl, Target, Transport, TransportError, parse_url
from . import limits
from .errors import CutShort

LONGEST_SECONDS = 12.0
"""Of the 15 that the command has."""

_MARK = (b"X-FlowTask-Test", b"true")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A test that may be sent. `target` is None for a URL that may no longer be used here; `secret` is told in the answer."""

    event: PublicEvent
    delivery_id: UUID
    target: Target | None
    key: SigningKey
    thin: bool
    headers: OwnHeaders | None = None
    matches: bool | None = None
    secret: str | None = field(default=None, repr=False)


class Trials:
    """Sends tests through the same client as everything else; a whole attempt has `timeout` seconds, twelve at most."""

    def __init__(self, client: Transport, rules: EndpointRules, *, allow_http: bool, timeout: float) -> None:
        self._client = client
        self._rules = rules
        self._allow_http = allow_http
        self._timeout = min(timeout, LONGEST_SECONDS)

    async def nothing_to_find_out(self, _command: SendTest) -> None:
        """Where an endpoint is, was judged when it was saved, and is judged again when the connection is made."""

    async def objection(self, command: SendTestTo) -> ValidationFailed | None:
        """Why no endpoint may have this URL."""
        return await self._rules.objection(command.url)

    async def begin(self, tx: AsyncSession, command: SendTest, _found: None) -> Prepared:
        """Prepare a test of an endpoint.

        EndpointNotFound, NothingIsSent where it is polled, ValidationFailed for an unknown type, SecretUnreadable, RateLimited.
        """
        event = _sample(command)
        endpoint, _ = await endpoint_of(tx, command.workspace_id, command.endpoint_id)
        if endpoint.polled:
            raise NothingIsSent
        prepared = Prepared(
            event=event,
            delivery_id=delivery_id(event.id, endpoint.id),
            target=self._target(endpoint.url),
            key=_key(self._rules.keyring, endpoint),
            thin=PayloadForm(endpoint.payload) is PayloadForm.THIN,
            headers=_own(self._rules.keyring, endpoint),
            matches=_matches(endpoint, event),
        )
        await self._count(tx, command, prepared.target)
        return prepared

    async def begin_to(self, tx: AsyncSession, command: SendTestTo, objection: ValidationFailed | None) -> Prepared:
        """Prepare a test of a URL; ValidationFailed for what no endpoint could have, RateLimited."""
        if objection is not None:
            raise objection
        event = _sample(command)
        check_headers(command.headers)
        given = command.secret
        secret = new_secret() if given is None else given.get_secret_value()
        own = tuple((name.encode(), value.get_secret_value().encode()) for name, value in command.headers.items())
        prepared = Prepared(
            event=event,
            delivery_id=delivery_id(event.id, new_id()),
            target=self._target(command.url),
            key=SigningKey.of(secret),
            thin=command.payload is PayloadForm.THIN,
            headers=OwnHeaders(own) if own else None,
            secret=secret if given is None else None,
        )
        await self._count(tx, command, prepared.target)
        return prepared

    async def send(self, _command: SendTest | SendTestTo, test: Prepared) -> SentTest:
        """Make the one attempt; by our own fault ServiceUnavailable where nothing was sent, CutShort where something may have been."""
        body = b'{"test":true,' + test.event.body(test.delivery_id, thin=test.thin)[1:]
        result = await self._attempt(test, body)
        timings = result.timings
        milliseconds = [None if part is None else round(part * 1000, 1) for part in (timings or (None,) * 5)]
        return SentTest(
            id=test.event.id,
            delivery_id=test.delivery_id,
            event=test.event.type,
            delivered=isinstance(result.outcome, Accepted),
            matches=test.matches,
            payload=orjson.loads(body),
            secret=test.secret,
            at=result.at,
            duration_ms=result.duration_ms,
            dns_ms=milliseconds[0],
            connect_ms=milliseconds[1],
            tls_ms=milliseconds[2],
            first_byte_ms=milliseconds[3],
            status_code=result.status_code,
            error=result.error,
            error_code=result.error_code,
            request_headers=headers_of(result.request_headers),
            response_headers=headers_of(result.response_headers),
            response_body=result.response_body,
            response_truncated=result.response_truncated,
        )

    async def _attempt(self, test: Prepared, body: bytes) -> Result:
        at, event = utc_now(), test.event
        headers = signed_headers(
            test.key,
            event=event.type,
            event_id=event.id,
            delivery_id=test.delivery_id,
            timestamp=int(at.timestamp()),
            body=body,
        )
        headers = sent = [*headers, _MARK]
        if test.headers is not None:
            sent, headers = [*headers, *test.headers.sent], [*headers, *test.headers.shown]
        try:
            if test.target is None:
                raise TransportError(Failure.INVALID_URL)  # noqa: TRY301 - it ends like any other attempt
            answer = await self._client.post(test.target, sent, body, timeout=self._timeout, fresh=True)
        except TransportError as error:
            if error.kind is Failure.PROXY:
                raise ServiceUnavailable(retry_after=5) from error
            if error.kind.ours:
                raise CutShort from error
            return outcomes.of_failure(error, at, headers, None)
        return outcomes.of_answered(answer, outcomes.of_answer(answer, STANDARD), at, headers, None)

    def _target(self, url: str) -> Target | None:
        try:
            return parse_url(url, allow_http=self._allow_http)
        except InvalidUrl:
            return None

    async def _count(self, tx: AsyncSession, command: SendTest | SendTestTo, target: Target | None) -> None:
        host = "" if target is None else target.host
        await limits.count(tx, command.workspace_id, host, utc_now())


def _sample(command: SendTest | SendTestTo) -> PublicEvent:
    """The sample of the type, as if it happened in the workspace now; ValidationFailed for a type that there is not."""
    if command.event not in PUBLIC_TYPES:
        message = f"is not an event type; known are {', '.join(PUBLIC_TYPES)}"
        raise ValidationFailed(details=[ErrorDetail(field="event", message=message)])
    document = sample_document(command.event, new_id())
    document |= {"workspaceid": str(command.workspace_id), "time": rfc3339(utc_now())}
    return PublicEvent.parse(orjson.dumps(document))


def _matches(endpoint: Endpoint, event: PublicEvent) -> bool:
    """Whether the endpoint would hear of such an event."""
    wanted = patterns.matches(endpoint.events, event.type)
    return wanted and (endpoint.filter is None or compiled(endpoint.filter)(event.document))


def _key(keyring: KeyRing, endpoint: Endpoint) -> SigningKey:
    """What signs its webhooks now, in an overlap both secrets."""
    sealed = Sealed(
        endpoint.secret or b"",
        endpoint.private_key,
        endpoint.next_secret,
        endpoint.next_private_key,
        endpoint.next_alone_at,
    )
    try:
        return signing_key(keyring, endpoint.id, sealed)
    except CannotDecrypt as error:
        raise SecretUnreadable from error


def _own(keyring: KeyRing, endpoint: Endpoint) -> OwnHeaders | None:
    try:
        return opened(keyring, endpoint.id, endpoint.headers)
    except CannotDecrypt as error:
        raise SecretUnreadable(
            "The headers of this webhook cannot be read now; give all of their values anew"
        ) from error
