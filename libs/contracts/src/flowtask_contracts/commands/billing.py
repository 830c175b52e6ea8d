"""Commands of billing."""

from typing import ClassVar

from flowtask_contracts.commands.envelope import WorkspaceCommand
from flowtask_contracts.resources import Subscription


class GetSubscription(WorkspaceCommand):
    """What plan the workspace is on."""

    service: ClassVar[str] = "billing"
    verb = "subscription"
    answer = Subscription
