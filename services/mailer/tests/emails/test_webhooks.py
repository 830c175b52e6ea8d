"""Owners are written to about webhooks in trouble."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from flowtask_contracts.events import WebhookDisabled, WebhookFailing
from flowtask_contracts.resources import Role, WebhookStanding
from flowtask_contracts.topology import MAILER_PEOPLE
from flowtask_mailer.emails.letters import WEBHOOK_DISABLED, WEBHOOK_FAILING, Circumstances, Letters

SINCE = datetime(2026, 11, 22, 10, tzinfo=UTC)


def standing(**more):
    named = {
        "id": uuid4(),
        "description": "Tells <billing>",
        "active": True,
        "failing_since": SINCE,
        "percent": 50,
        "hours": 60,
        "limit_hours": 120,
        "disabled_at": None,
        "disabled_reason": None,
        "missed_since": None,
        **more,
    }
    return WebhookStanding(**named)


@pytest.fixture
def write():
    letters = Letters("https://app.example.com/")
    around = Circumstances(recipient_name="Ada", actor_name=None, actor_is_recipient=False, workspace_name="Navy")
    return lambda kind, webhook: letters.write(
        kind, {"webhook": webhook.model_dump(mode="json", by_alias=True)}, around
    )


def test_a_warning_says_since_when_and_how_long_there_is_left(write):
    webhook = standing()
    letter = write(WEBHOOK_FAILING, webhook)
    assert letter.subject == "Nothing arrives at your webhook: Tells <billing>"
    for told in (letter.text, letter.html):
        assert "at a webhook of Navy since 22 November 2026, 10:00 UTC:" in told
        assert "for 60 of 120 hours" in told
        assert f"https://app.example.com/webhooks/{webhook.id}" in told
    assert "Tells &lt;billing&gt;" in letter.html


@pytest.mark.parametrize(
    ("reason", "said"), [("failing", "failed for 120 hours"), ("gone", "asked for no more webhooks")]
)
def test_that_it_is_off_is_told_with_the_reason(write, reason, said):
    webhook = standing(
        active=False, percent=100, hours=120, disabled_at=SINCE, disabled_reason=reason, description=None
    )
    letter = write(WEBHOOK_DISABLED, webhook)
    assert letter.subject == f"Your webhook is off: {webhook.id}"
    for told in (letter.text, letter.html):
        assert said in told
        assert "Turn it on again" in told
    assert "turned off.\n\nTurn it on" in letter.text


@pytest.mark.parametrize("kind", [WebhookFailing, WebhookDisabled])
async def test_every_owner_is_written_to_once_and_nobody_else(world, make, workspace, sent, emails, kind):
    await world.serve()
    people = {role: uuid4() for role in Role} | {"other owner": uuid4()}
    for role, user_id in people.items():
        await world.publish(make.user(user_id, email=f"{user_id}@example.com"))
        place = Role.OWNER if role == "other owner" else role
        await world.publish(make.membership(workspace, user_id, role=place))
    await world.settled(MAILER_PEOPLE)
    webhook = standing()
    event = kind(workspace_id=workspace, subject=webhook.id, time=SINCE, actor="system", version=1, data=webhook)
    event_id = await world.publish(event)
    await world.publish(event, event_id=event_id)
    shown = await sent(2)
    assert {each.user_id for each in shown} == {people[Role.OWNER], people["other owner"]}
    assert {(each.kind, each.resource_id) for each in shown} == {(kind.type, str(webhook.id))}
    assert len((await emails()).items) == 2


async def test_the_news_waits_until_an_owner_is_known(world, make, workspace, sent):
    await world.serve()
    webhook = standing()
    event = WebhookFailing(
        workspace_id=workspace, subject=webhook.id, time=SINCE, actor="system", version=1, data=webhook
    )
    await world.publish(event)
    ada = uuid4()
    await world.publish(make.user(ada))
    await world.publish(make.membership(workspace, ada, role=Role.OWNER))
    (shown,) = await sent(limit=60)
    assert shown.user_id == ada
