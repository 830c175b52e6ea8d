"""The workspace's plan over HTTP; owners and admins only."""

from flowtask_contracts.commands import GetSubscription
from flowtask_contracts.resources import Subscription
from flowtask_kit.http.envelope import Envelope

from ..auth.dependencies import Admin
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Asking

router = api_router("Billing", "/billing", resource=Resource.BILLING)


@router.get("/subscription", summary="Get the subscription")
async def get_subscription(caller: Admin, commands: Asking) -> Envelope[Subscription]:
    """What plan the workspace is on."""
    return Envelope(data=await commands.ask(GetSubscription(workspace_id=caller.workspace_id), Subscription))
