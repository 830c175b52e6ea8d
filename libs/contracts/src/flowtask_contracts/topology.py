"""Who exists on the bus and in the database: services, streams, durable consumers, and what each may say and hear."""

from dataclasses import dataclass, field

GIB = 1024**3


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service: its PostgreSQL schema and login role, and its place on the bus.

    `publishes` are the subjects of its own events; `asks` the services it sends commands to.
    """

    name: str
    schema: str
    publishes: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()

    @property
    def role(self) -> str:
        """The login role, which owns the schema and nothing else."""
        return f"flowtask_{self.name.replace('-', '_')}"


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A JetStream stream: file storage, interest retention, new messages refused when it is full, no age limit.

    With `discard new` a full stream makes the outbox wait; the default would drop what nobody has read yet.
    """

    name: str
    subjects: tuple[str, ...]
    max_bytes: int


@dataclass(frozen=True, kw_only=True)
class Durable:
    """A durable pull consumer with explicit acks and no delivery limit; `ack_wait` is in seconds."""

    name: str
    stream: str
    service: str
    filters: tuple[str, ...]
    ack_wait: int = 30
    max_ack_pending: int = 1000


@dataclass(frozen=True, kw_only=True)
class Topology:
    """Everything that bootstrap makes before any service starts."""

    services: tuple[Service, ...]
    streams: tuple[Stream, ...]
    durables: tuple[Durable, ...]
    extensions: tuple[str, ...] = field(default=())

    def service(self, name: str) -> Service:
        """The service of that name; KeyError if there is none."""
        return {service.name: service for service in self.services}[name]

    def durables_of(self, service: str) -> tuple[Durable, ...]:
        """The consumers that a service reads from."""
        return tuple(durable for durable in self.durables if durable.service == service)


EVENTS = Stream(name="EVENTS", subjects=("events.>",), max_bytes=4 * GIB)
INTERNAL = Stream(name="INTERNAL", subjects=("internal.>",), max_bytes=1 * GIB)

DISPATCHER_INTAKE = Durable(
    name="webhook-dispatcher",
    stream="EVENTS",
    service="webhook-dispatcher",
    filters=("events.>",),
    max_ack_pending=2000,
)
DISPATCHER_ERASURES = Durable(
    name="webhook-dispatcher-erasures",
    stream="INTERNAL",
    service="webhook-dispatcher",
    filters=("internal.user.erased", "internal.workspace.erased"),
)
BILLING_WORKSPACES = Durable(
    name="billing-workspaces", stream="INTERNAL", service="billing", filters=("internal.workspace.>",)
)
MAILER_PEOPLE = Durable(
    name="mailer-people",
    stream="INTERNAL",
    service="mailer",
    filters=("internal.user.>", "internal.workspace.>", "internal.membership.>"),
)
MAILER_TASKS = Durable(name="mailer-tasks", stream="EVENTS", service="mailer", filters=("events.task.assigned",))

FLOWTASK = Topology(
    services=(
        Service(
            name="api",
            schema="api",
            publishes=(
                "events.task.>",
                "events.project.>",
                "internal.user.>",
                "internal.workspace.>",
                "internal.membership.>",
                "internal.invitation.>",
            ),
            asks=("webhook-dispatcher", "billing", "mailer"),
        ),
        Service(name="webhook-dispatcher", schema="webhooks", publishes=("events.webhook.>",)),
        Service(name="billing", schema="billing"),
        Service(name="mailer", schema="mailer", asks=("api",)),
    ),
    streams=(EVENTS, INTERNAL),
    durables=(DISPATCHER_INTAKE, DISPATCHER_ERASURES, BILLING_WORKSPACES, MAILER_PEOPLE, MAILER_TASKS),
    extensions=("pg_trgm", "btree_gin"),
)
