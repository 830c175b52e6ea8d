"""Test webhooks over HTTP: sent at once, and told of in the answer; owners and admins only."""

from uuid import UUID

from fastapi import Response

from flowtask_contracts.errors import NotFound, RateLimited
from flowtask_kit.bus.errors import OutcomeUnknown
from flowtask_kit.http.envelope import Envelope

from ..audit.asking import AskingRecorded
from ..auth.dependencies import Admin
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.refusals import may_raise
from . import service
from .schemas import SendTest, SendTestTo, SentTest

router = api_router("Webhooks", "/webhooks", resource=Resource.WEBHOOKS)


@router.post("/test", summary="Test a URL")
@may_raise(OutcomeUnknown, RateLimited)
async def send_test_to(
    caller: Admin, commands: AskingRecorded, body: SendTestTo, response: Response
) -> Envelope[SentTest]:
    """Send the sample of an event type to a URL that is no webhook yet, and tell what it answered.

    It is signed with the secret that you send, or with a new one, which is in this answer alone. Ten a minute for a workspace.
    """
    response.headers["Cache-Control"] = "no-store"
    return Envelope(data=await service.send_test_to(commands, caller, body))


@router.post("/{webhook_id}/test", summary="Test a webhook")
@may_raise(NotFound, OutcomeUnknown, RateLimited)
async def send_test(
    caller: Admin, commands: AskingRecorded, webhook_id: UUID, body: SendTest | None = None
) -> Envelope[SentTest]:
    """Send the sample of an event type to a webhook, active or not, as a real event would be sent, and tell what it answered.

    The body has `test: true`, and the request `X-FlowTask-Test: true`. It counts for nothing: not for the circuit, not for health,
    and it is no delivery. With an `Idempotency-Key` a repeat sends nothing. Ten a minute for a workspace.
    """
    return Envelope(data=await service.send_test(commands, caller, webhook_id, body or SendTest()))
