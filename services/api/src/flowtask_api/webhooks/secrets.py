"""The secrets that webhooks are signed with, over HTTP; owners and admins only."""

from uuid import UUID

from fastapi import Response, status

from flowtask_contracts.commands.webhook_secrets import NoPreviousSecret, OverlapUnderWay, PublicKeys
from flowtask_contracts.errors import NotFound
from flowtask_kit.http.envelope import Envelope

from ..audit.asking import AskingRecorded, AskingTold
from ..auth.dependencies import Admin, Confidant
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Asking
from ..http.refusals import may_raise
from . import service
from .schemas import RotateSecret, WebhookSecret

router = api_router("Webhooks", "/webhooks/{webhook_id}", resource=Resource.WEBHOOKS)


@router.get("/secret", summary="Show a webhook's secret")
async def show_secret(
    caller: Confidant, commands: AskingTold, webhook_id: UUID, response: Response
) -> Envelope[WebhookSecret]:
    """The newest secret. Whoever knows it can sign in our name, so each reading is in the audit log."""
    response.headers["Cache-Control"] = "no-store"
    return Envelope(data=await service.show_secret(commands, caller, webhook_id))


@router.get("/public-keys", summary="Show a webhook's public keys")
async def show_public_keys(caller: Admin, commands: Asking, webhook_id: UUID) -> Envelope[PublicKeys]:
    """What verifies its Ed25519 signatures now, as a JSON Web Key Set: two keys while the secret is being changed.

    There are none where `signatures` has no `ed25519`.
    """
    return Envelope(data=await service.show_public_keys(commands, caller, webhook_id))


@router.post("/rotate-secret", summary="Rotate a webhook's secret")
@may_raise(OverlapUnderWay)
async def rotate_secret(
    caller: Admin, commands: AskingRecorded, webhook_id: UUID, response: Response, body: RotateSecret | None = None
) -> Envelope[WebhookSecret]:
    """Have another secret sign; the present one goes on for the overlap, so that receivers can accept either meanwhile.

    `webhook-signature` has both signatures then, `X-FlowTask-Signature` is of the old secret and
    `X-FlowTask-Signature-Next` of the new one. An Ed25519 key changes with it. The new secret is in this answer and is shown again on request.
    """
    response.headers["Cache-Control"] = "no-store"
    return Envelope(data=await service.rotate_secret(commands, caller, webhook_id, body or RotateSecret()))


@router.delete(
    "/secret/previous",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    summary="End a webhook's previous secret",
)
@may_raise(NotFound, NoPreviousSecret)
async def end_previous_secret(caller: Admin, commands: AskingRecorded, webhook_id: UUID) -> None:
    """Have the newest secret sign alone from now on, before the overlap is over."""
    await service.end_previous_secret(commands, caller, webhook_id)
