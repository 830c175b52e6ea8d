"""Writing mails: one pair of templates, text and HTML, for each kind."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from flowtask_contracts.resources import Task, WebhookStanding

TASK_ASSIGNED = "task.assigned"
WEBHOOK_FAILING = "webhook.failing"
WEBHOOK_DISABLED = "webhook.disabled"

MAX_SUBJECT = 200


@dataclass(frozen=True)
class Letter:
    """Subject, plain text and HTML of a mail."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What the projection adds to an event: names, where they are known, none for a workspace that is one's own."""

    recipient_name: str
    actor_name: str | None
    actor_is_recipient: bool
    workspace_name: str | None


class Letters:
    """Writes letters whose links lead to the app at `app_url`."""

    def __init__(self, app_url: str) -> None:
        self._app_url = app_url.rstrip("/")
        self._templates = Environment(
            loader=PackageLoader("flowtask_mailer", "emails/templates"),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._templates.filters["line"] = one_line

    def write(self, kind: str, facts: Mapping[str, Any], around: Circumstances) -> Letter:
        """The letter of this kind; KeyError for a kind that nobody has written templates for."""
        subject, values = _KINDS[kind](facts)
        told = {**values, "around": around, "app_url": self._app_url}
        return Letter(
            subject=_shortened(one_line(subject)),
            text=self._templates.get_template(f"{kind}.txt").render(told),
            html=self._templates.get_template(f"{kind}.html").render(told),
        )


def _task_assigned(facts: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    task = Task.model_validate(facts["task"])
    return f"You've been assigned: {task.title}", {"task": task}


def _webhook_failing(facts: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    webhook = WebhookStanding.model_validate(facts["webhook"])
    return f"Nothing arrives at your webhook: {_named(webhook)}", {"webhook": webhook, "name": _named(webhook)}


def _webhook_disabled(facts: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    webhook = WebhookStanding.model_validate(facts["webhook"])
    return f"Your webhook is off: {_named(webhook)}", {"webhook": webhook, "name": _named(webhook)}


def _named(webhook: WebhookStanding) -> str:
    """What its owners call it, else its id."""
    return (webhook.description or "").strip() or str(webhook.id)


_KINDS = {
    TASK_ASSIGNED: _task_assigned,
    WEBHOOK_FAILING: _webhook_failing,
    WEBHOOK_DISABLED: _webhook_disabled,
}


def one_line(text: str) -> str:
    """Text on one line: line breaks and other control characters, which could begin a header, become single blanks."""
    visible = "".join(" " if unicodedata.category(character) in _UNFIT else character for character in text)
    return re.sub(r"\s+", " ", visible).strip()


def _shortened(line: str) -> str:
    return line if len(line) <= MAX_SUBJECT else f"{line[: MAX_SUBJECT - 1]}…"


_UNFIT = frozenset({"Cc", "Zl", "Zp"})
