"""The mailer between a real PostgreSQL and a real NATS, and an api that answers its snapshots."""

from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest

from flowtask_contracts.commands import GetEmail, ListEmails, Snapshot
from flowtask_contracts.commands.mailer import EmailDetail, Emails
from flowtask_contracts.events import MembershipCreated, TaskAssigned, UserCreated, WorkspaceCreated
from flowtask_contracts.resources import Membership, Role, Task, TaskPriority, TaskStatus, User, Workspace
from flowtask_kit.bus.answers import Answers
from flowtask_kit.bus.connection import Bus
from flowtask_kit.ids import new_id, utc_now
from flowtask_kit.service.resources import Resources
from flowtask_local.service_world import AUTHORIZATION, ServiceWorld, template_of, until
from flowtask_local.testing import nats_server, nats_server_factory, postgres_server  # noqa: F401 - fixtures
from flowtask_mailer.app import create_app
from flowtask_mailer.database import MIGRATIONS, CommandRecord
from flowtask_mailer.settings import MailerSettings


@pytest.fixture(scope="session")
def template(postgres_server):  # noqa: F811
    return template_of(postgres_server, "mailer", MIGRATIONS)


@pytest.fixture(scope="module")
def nats_authorization():
    return AUTHORIZATION


@pytest.fixture
async def world(postgres_server, nats_server, template):  # noqa: F811
    async with ServiceWorld("mailer", postgres_server, nats_server, template, create_app, MailerSettings) as made:
        yield made


@pytest.fixture
def workspace() -> UUID:
    return uuid4()


def user_created(user_id, *, email="ada@example.com", name="Ada", version=1):
    data = User(id=user_id, email=email, name=name, created_at=utc_now())
    return UserCreated(
        workspace_id=uuid4(), subject=user_id, time=utc_now(), actor=f"user:{user_id}", version=version, data=data
    )


def workspace_created(workspace_id, *, name="Ada's", personal=False, version=1):
    data = Workspace(id=workspace_id, name=name, personal=personal, created_at=utc_now())
    return WorkspaceCreated(
        workspace_id=workspace_id, subject=workspace_id, time=utc_now(), actor="system", version=version, data=data
    )


def membership_created(workspace_id, user_id, *, role=Role.OWNER, version=1):
    data = Membership(workspace_id=workspace_id, user_id=user_id, role=role)
    return MembershipCreated(
        workspace_id=workspace_id, subject=user_id, time=utc_now(), actor="system", version=version, data=data
    )


def task_assigned(workspace_id, assignee_id, *, title="Write it down", actor="system", **more):
    now = utc_now()
    data = Task(
        **{
            "id": new_id(),
            "title": title,
            "description": None,
            "status": TaskStatus.TODO,
            "priority": TaskPriority.HIGH,
            "due_date": None,
            "project_id": None,
            "project": None,
            "assignee_id": assignee_id,
            "created_at": now,
            "updated_at": now,
            "completed_at": None,
            **more,
        }
    )
    return TaskAssigned(workspace_id=workspace_id, subject=data.id, time=now, actor=actor, version=2, data=data)


@pytest.fixture
def make():
    """Makes the events that the mailer hears."""
    return SimpleNamespace(
        user=user_created, workspace=workspace_created, membership=membership_created, assigned=task_assigned
    )


@pytest.fixture
def emails(world, workspace):
    """The workspace's mails as its admins see them."""

    async def page(**filters) -> Emails:
        return await world.ask(ListEmails(workspace_id=workspace, **filters), Emails)

    return page


@pytest.fixture
def email(world, workspace):
    """One mail in full."""

    async def get(email_id) -> EmailDetail:
        return await world.ask(GetEmail(workspace_id=workspace, email_id=email_id), EmailDetail)

    return get


@pytest.fixture
def sent(emails):
    """Wait until the workspace has so many mails with this status."""

    async def wait(number=1, status="sent", limit=60.0):
        async def there():
            page = await emails(limit=100, status=status)
            return page.items if len(page.items) >= number else None

        return await until(there, limit)

    return wait


@pytest.fixture
async def api(world):
    """The other side of `snapshot`: answers as the api does, and counts."""

    class Api:
        def __init__(self):
            self.asked: list[Snapshot] = []
            self.pages = {}
            self.refusal = None

        async def answer(self, _tx, command: Snapshot):
            self.asked.append(command)
            if self.refusal is not None and command.cursor is not None:
                refusal, self.refusal = self.refusal, None
                raise refusal
            return self.pages[command.cursor]

        async def begin(self):
            resources: Resources = world.resources_unconnected("api")
            answers = Answers(resources.bus, resources.database, resources.wake, CommandRecord, service="api")
            answers.to(Snapshot, self.answer)
            bus: Bus = resources.bus
            bus.start()
            await bus.ready.wait()

    return Api()
