"""What the services of these tests are told."""

from flowtask_local.services import AT_FULL_SPEED

PATIENT = {"FLOWTASK_COMMAND_PATIENCE": "5"}
"""How fast a command is answered is no promise of these tests, and the machine may stand still: writes of endpoints queue for
one row, so that a second of a slow disk is several for the last of them."""

ENV = {
    "api": AT_FULL_SPEED["api"] | PATIENT,
    "webhook-dispatcher": {"FLOWTASK_WEBHOOKS_MAX_ENDPOINTS": "1000"},
}
