"""The workspace that a request names, where its credential leaves a choice, or to be sure that there is none."""

from uuid import UUID

from starlette.datastructures import Headers

from flowtask_contracts.errors import ErrorDetail, ValidationFailed

WORKSPACE_HEADER = "X-FlowTask-Workspace"


def wanted_workspace(headers: Headers) -> UUID | None:
    """The workspace that the request names, if it names one; ValidationFailed for what is no id."""
    value = headers.get(WORKSPACE_HEADER)
    if value is None:
        return None
    try:
        workspace_id = UUID(value)
    except ValueError:
        raise refused_workspace("must be the id of a workspace") from None
    if str(workspace_id) != value.lower():
        raise refused_workspace("must be the id of a workspace")
    return workspace_id


def workspace_refusal(headers: Headers, workspace_id: UUID, *, of: str) -> ValidationFailed | None:
    """Why the request may not name the workspace that it does, where `of` its credential there is one alone; None if it may."""
    try:
        wanted = wanted_workspace(headers)
    except ValidationFailed as refusal:
        return refusal
    return None if wanted is None or wanted == workspace_id else refused_workspace(f"is not the workspace of {of}")


def refused_workspace(message: str) -> ValidationFailed:
    """What is wrong with the header, as a refusal."""
    return ValidationFailed(details=[ErrorDetail(field=WORKSPACE_HEADER, message=message)])
