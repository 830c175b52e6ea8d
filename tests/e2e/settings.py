"""What the services of these tests are told."""

import asyncio
from dataclasses import replace

from flowtask_contracts.topology import FLOWTASK
from flowtask_kit.bootstrap.nats import bootstrap_nats
from flowtask_local.services import AT_FULL_SPEED
from flowtask_local.stack import Stack

PATIENT = {"FLOWTASK_COMMAND_PATIENCE": "5"}
"""How fast a command is answered is no promise of these tests, and the machine may stand still: writes of endpoints reach
the disk one after another, so that a second of a slow disk is several for the last of them."""

ENV = {
    "api": AT_FULL_SPEED["api"] | PATIENT,
    "webhook-dispatcher": {"FLOWTASK_WEBHOOKS_MAX_ENDPOINTS": "1000"},
}

ACK_WAIT = 5
"""Seconds instead of 30: what a dead process had taken comes back as it does in production, only sooner."""


def redeliver_soon(stack: Stack) -> None:
    """Have messages that a dead process had taken come back after `ACK_WAIT`."""
    durables = tuple(replace(durable, ack_wait=ACK_WAIT) for durable in FLOWTASK.durables)
    url = stack.nats.url("admin", stack._keys.nats_admin)
    asyncio.run(bootstrap_nats(url, replace(FLOWTASK, durables=durables), replicas=1))
