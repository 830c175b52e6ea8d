"""What can go wrong on a laptop, in one tree.

LocalError
+- ProcessEndedError       a process ended although it was needed
+- NotReadyError           a process lives but was not ready in time
+- HomeHeldError           another FlowTask holds this folder
+- BrokenHomeError         what lies in the folder does not fit together
+- ApiAwayError            the API does not answer now; asking later may help
+- ApiRefusedError         the API refused a call
"""

from collections.abc import Sequence
from datetime import datetime


class LocalError(Exception):
    """Something that the person at the keyboard is told in plain words, without a stack trace."""


class ProcessEndedError(LocalError):
    """A process ended although it was needed; the message ends with its last log lines."""

    def __init__(self, name: str, returncode: int | None, tail: Sequence[str]) -> None:
        super().__init__(_with_tail(f"{name} ended with exit code {returncode}", tail))
        self.name = name
        self.returncode = returncode

    @property
    def for_lack_of_a_port(self) -> bool:
        """True when somebody else listens on the port that the process was given."""
        return "address already in use" in str(self).lower()


class NotReadyError(LocalError):
    """A process was not ready within its time; the message ends with its last log lines."""

    def __init__(self, name: str, what: str, timeout: float, tail: Sequence[str]) -> None:
        super().__init__(_with_tail(f"{name}: {what} did not happen within {timeout:g} s", tail))
        self.name = name


class HomeHeldError(LocalError):
    """Another FlowTask holds this folder; `pid` is its process and `since` when it took it, None when it did not say."""

    def __init__(self, home: str, pid: int | None, since: datetime | None = None) -> None:
        process = [] if pid is None else [f"process {pid}"]
        details = ", ".join([*process, *([] if since is None else [f"since {since:%Y-%m-%d %H:%M:%S}"])])
        super().__init__(
            f"{home} is held by another FlowTask{f' ({details})' if details else ''}: use that one, end it with "
            "`make down` or `flowtask down`, or choose another folder with --home."
        )
        self.pid = pid


class BrokenHomeError(LocalError):
    """What lies in the folder does not fit together, and guessing could lose data."""


class ApiAwayError(LocalError):
    """The API did not answer, or answered that it cannot now; the same call may succeed later."""


class ApiRefusedError(LocalError):
    """The API refused a call with this `status`; `details` are its own words on each field, empty when it had none."""

    def __init__(self, message: str, status: int, details: str) -> None:
        super().__init__(message)
        self.status = status
        self.details = details


def _with_tail(message: str, tail: Sequence[str]) -> str:
    if not tail:
        return f"{message}; it logged nothing."
    return "\n".join([f"{message}. Its last log lines:", *(f"  {line}" for line in tail)])
