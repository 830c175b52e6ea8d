"""What the api can show of the other services: one request each that only that service can answer."""

from flowtask_contracts.topology import FLOWTASK

FEATURES = {
    "webhook-dispatcher": "/webhooks",
    "billing": "/billing/subscription",
    "mailer": "/emails",
}

assert FEATURES.keys() == set(FLOWTASK.service("api").asks), "each service that the api asks has its feature here"
