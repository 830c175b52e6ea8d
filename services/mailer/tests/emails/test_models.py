from datetime import timedelta
from uuid import uuid4

import pytest

from flowtask_contracts.commands.mailer import EmailStatus
from flowtask_kit.ids import new_id, utc_now
from flowtask_mailer.emails.models import LEASE, RETRIES, Email
from flowtask_mailer.transport import Accepted, Failed, Refused

NOW = utc_now()


@pytest.fixture
def mail():
    return Email(
        id=new_id(),
        user_id=uuid4(),
        status=EmailStatus.QUEUED,
        attempts=0,
        claim_no=0,
        due_at=NOW,
        created_at=NOW,
        lease_until=None,
        recipient=None,
    )


@pytest.mark.parametrize(
    ("attempts", "outcome", "due_in"),
    [
        (0, Failed("busy"), timedelta(seconds=1)),
        (0, Failed("busy", timedelta(minutes=2)), timedelta(minutes=2)),
        (1, Failed("busy", timedelta(seconds=1)), timedelta(seconds=5)),
        (len(RETRIES) - 1, Failed("busy"), RETRIES[-1]),
    ],
)
def test_a_mail_that_was_not_taken_is_due_again_after_the_longer_of_both_waits(mail, attempts, outcome, due_in):
    mail.attempts = attempts
    assert mail.settle(outcome, mail.claim(NOW), transport="test", now=NOW)
    assert (mail.status, mail.due_at, mail.attempts) == (EmailStatus.QUEUED, NOW + due_in, attempts + 1)
    assert (mail.last_error, mail.lease_until) == ("busy", None)


@pytest.mark.parametrize(("attempts", "outcome"), [(0, Refused("no such box")), (len(RETRIES), Failed("no such box"))])
def test_a_mail_that_is_refused_or_out_of_tries_has_failed(mail, attempts, outcome):
    mail.attempts = attempts
    assert mail.settle(outcome, mail.claim(NOW), transport="test", now=NOW)
    assert (mail.status, mail.last_error, mail.sent_at) == (EmailStatus.FAILED, "no such box", None)


def test_an_accepted_mail_is_sent_and_nothing_changes_that(mail):
    claim = mail.claim(NOW)
    assert mail.settle(Accepted("re_1"), claim, transport="test", now=NOW)
    assert (mail.status, mail.provider_id, mail.sent_at, mail.transport) == (EmailStatus.SENT, "re_1", NOW, "test")
    assert not mail.settle(Failed("late"), claim, transport="test", now=NOW)
    assert not mail.settle(Accepted("re_2"), claim, transport="test", now=NOW)
    assert (mail.status, mail.provider_id, mail.attempts) == (EmailStatus.SENT, "re_1", 1)


def test_a_late_result_counts_only_when_it_is_a_success(mail):
    late = mail.claim(NOW)
    mail.claim(NOW + LEASE)
    assert not mail.settle(Failed("late"), late, transport="test", now=NOW)
    assert not mail.settle(Refused("late"), late, transport="test", now=NOW)
    assert (mail.status, mail.attempts) == (EmailStatus.QUEUED, 0)
    assert mail.settle(Accepted(), late, transport="test", now=NOW)
    assert mail.status is EmailStatus.SENT


@pytest.mark.parametrize(
    ("waited", "due_in"),
    [
        (timedelta(), timedelta(seconds=1)),
        (timedelta(seconds=10), timedelta(seconds=10)),
        (timedelta(hours=3), timedelta(seconds=60)),
    ],
)
def test_a_mail_waits_for_its_recipient_and_no_try_is_used_up(mail, waited, due_in):
    mail.miss_recipient(NOW + waited)
    assert (mail.status, mail.due_at, mail.attempts) == (EmailStatus.QUEUED, NOW + waited + due_in, 0)


def test_after_a_day_without_a_recipient_a_mail_has_failed(mail):
    mail.miss_recipient(NOW + timedelta(hours=24, seconds=1))
    assert (mail.status, mail.last_error) == (EmailStatus.FAILED, "no address of the recipient is known")


def test_a_mail_is_written_once(mail):
    mail.write(sender="FlowTask <a@b.c>", to="ada@example.com", subject="S", body="T", html="H")
    assert mail.message.to == "ada@example.com"
    with pytest.raises(AssertionError):
        mail.write(sender="x", to="x", subject="x", body="x", html="x")
