"""What can be wrong with tasks."""

from flowtask_contracts.errors import NotFound


class TaskNotFound(NotFound):
    """The workspace has no such task, or its project was deleted."""

    message = "Task not found"


class AssigneeNotFound(NotFound):
    """The workspace has no such member."""

    message = "Assignee not found"
