"""What one service may ask of another, and may be refused."""

from flowtask_contracts.commands.api import Snapshot
from flowtask_contracts.commands.billing import GetSubscription
from flowtask_contracts.commands.envelope import Command, Reply, WorkspaceCommand
from flowtask_contracts.commands.mailer import GetEmail, ListEmails
from flowtask_contracts.commands.webhook_deliveries import EraseEvent, GetDelivery, ListDeliveries, RetryDelivery
from flowtask_contracts.commands.webhook_events import GetEvent, ListEvents
from flowtask_contracts.commands.webhook_filters import TryFilter
from flowtask_contracts.commands.webhook_ordering import ListHeldKeys, SkipDelivery
from flowtask_contracts.commands.webhook_polls import PollEndpoint
from flowtask_contracts.commands.webhook_replays import (
    CancelReplay,
    CountReplay,
    GetReplay,
    ListReplays,
    StartReplay,
)
from flowtask_contracts.commands.webhook_secrets import EndOverlap, GetEndpointSecret, GetPublicKeys, RotateSecret
from flowtask_contracts.commands.webhook_tests import SendTest, SendTestTo
from flowtask_contracts.commands.webhooks import (
    CreateEndpoint,
    DeleteEndpoint,
    GetEndpoint,
    GetEndpointHealth,
    ListEndpoints,
    UpdateEndpoint,
)

COMMANDS: tuple[type[Command], ...] = (
    CreateEndpoint,
    ListEndpoints,
    GetEndpoint,
    UpdateEndpoint,
    DeleteEndpoint,
    ListDeliveries,
    GetDelivery,
    RetryDelivery,
    EraseEvent,
    GetEndpointHealth,
    GetEndpointSecret,
    RotateSecret,
    EndOverlap,
    GetPublicKeys,
    TryFilter,
    ListEvents,
    GetEvent,
    SendTest,
    SendTestTo,
    PollEndpoint,
    CountReplay,
    StartReplay,
    GetReplay,
    ListReplays,
    CancelReplay,
    ListHeldKeys,
    SkipDelivery,
    Snapshot,
    GetSubscription,
    ListEmails,
    GetEmail,
)

__all__ = [
    "COMMANDS",
    "CancelReplay",
    "Command",
    "CountReplay",
    "CreateEndpoint",
    "DeleteEndpoint",
    "EndOverlap",
    "EraseEvent",
    "GetDelivery",
    "GetEmail",
    "GetEndpoint",
    "GetEndpointHealth",
    "GetEndpointSecret",
    "GetEvent",
    "GetPublicKeys",
    "GetReplay",
    "GetSubscription",
    "ListDeliveries",
    "ListEmails",
    "ListEndpoints",
    "ListEvents",
    "ListHeldKeys",
    "ListReplays",
    "PollEndpoint",
    "Reply",
    "RetryDelivery",
    "RotateSecret",
    "SendTest",
    "SendTestTo",
    "SkipDelivery",
    "Snapshot",
    "StartReplay",
    "TryFilter",
    "UpdateEndpoint",
    "WorkspaceCommand",
]
