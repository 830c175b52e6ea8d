"""What only the webhook routes need of a request."""

import re
from typing import Annotated

from fastapi import Depends, Header

from flowtask_contracts.errors import ErrorDetail, ValidationFailed

_KEY = re.compile(r"[\x20-\x7e]{1,255}")


async def idempotency_key(
    value: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Repeat a request with the same key and it takes effect once. 1 to 255 printable ASCII characters.",
        ),
    ] = None,
) -> str | None:
    """The caller's Idempotency-Key, if one was sent."""
    if value is not None and not _KEY.fullmatch(value):
        raise ValidationFailed(
            details=[ErrorDetail(field="Idempotency-Key", message="must be 1 to 255 printable ASCII characters")]
        )
    return value


IdempotencyKey = Annotated[str | None, Depends(idempotency_key)]
