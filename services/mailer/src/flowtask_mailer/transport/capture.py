"""The transport that sends nothing: the mail stays in the log of mails, where it can be read."""

from flowtask_kit import logs

from . import Accepted, Message

log = logs.get(__name__)


class Capture:
    """Accepts every mail. For machines on which nobody should get mail from a try-out."""

    name = "capture"

    async def send(self, message: Message) -> Accepted:
        """Keep it."""
        log.info("mail captured", email_id=str(message.id))
        return Accepted()
