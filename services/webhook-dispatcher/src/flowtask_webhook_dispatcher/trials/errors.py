"""Refusals of test webhooks."""

from flowtask_contracts.errors import FlowTaskError, ServiceUnavailable


class CutShort(FlowTaskError):
    """The test was ended by us and may have been sent; no `ServiceUnavailable`, which would promise that it was not."""

    status = ServiceUnavailable.status
    code = ServiceUnavailable.code
    message = "The test was cut short on our side; it may have been sent"
