"""What can be wrong with projects."""

from flowtask_contracts.errors import NotFound


class ProjectNotFound(NotFound):
    """The workspace has no such project, or it was deleted."""

    message = "Project not found"
