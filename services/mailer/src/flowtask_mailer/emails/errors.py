"""What can be wrong with mails."""

from flowtask_contracts.errors import NotFound


class EmailNotFound(NotFound):
    """The workspace has no such mail."""

    message = "Email not found"
