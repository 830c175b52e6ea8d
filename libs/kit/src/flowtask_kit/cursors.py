"""Cursors of lists that are ordered by an id: the last id seen."""

from uuid import UUID

from flowtask_contracts.errors import ErrorDetail, ValidationFailed


def cursor_id(text: str | None) -> UUID | None:
    """The id in a cursor; ValidationFailed for one that is not ours."""
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise ValidationFailed(details=[ErrorDetail(field="cursor", message="is not one of ours")]) from None
