"""What happens to tasks."""

from flowtask_contracts.events.envelope import Event
from flowtask_contracts.resources import Task


class TaskEvent(Event):
    """Any event of a task; `data` is the task."""

    data: Task


class TaskCreated(TaskEvent):
    """A task was created."""

    type = "task.created"


class TaskUpdated(TaskEvent):
    """Something about a task changed; `changes` says what."""

    type = "task.updated"
    tells_changes = True


class TaskAssigned(TaskEvent):
    """A task has a new assignee."""

    type = "task.assigned"


class TaskCompleted(TaskEvent):
    """A task was moved to DONE."""

    type = "task.completed"


class TaskDeleted(TaskEvent):
    """A task was deleted; `data` is its last state."""

    type = "task.deleted"
