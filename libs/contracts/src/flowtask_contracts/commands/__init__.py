"""What one service may ask of another, and may be refused."""

from flowtask_contracts.commands.envelope import Command, Reply
from flowtask_contracts.commands.webhooks import (
    CreateEndpoint,
    DeleteEndpoint,
    GetDelivery,
    GetEndpoint,
    ListDeliveries,
    ListEndpoints,
    RetryDelivery,
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
)

__all__ = [
    "COMMANDS",
    "Command",
    "CreateEndpoint",
    "DeleteEndpoint",
    "GetDelivery",
    "GetEndpoint",
    "ListDeliveries",
    "ListEndpoints",
    "Reply",
    "RetryDelivery",
    "UpdateEndpoint",
]
