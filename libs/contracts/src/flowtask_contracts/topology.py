"""Who exists on the bus and in the database: services, streams, durable consumers, and what each may say and hear."""

from dataclasses import dataclass, field

MIB = 1024**2
GIB = 1024**3


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service: its PostgreSQL schema and login role, and its place on the bus.

    `publishes` are the subjects of its own events and schedules; `asks` the services it sends commands to.
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
    """A JetStream stream: file storage, what is unread is kept, new messages refused when it is full, no age limit.

    With `discard new` a full stream makes the outbox wait; the default would drop what nobody has read yet.

    The server removes a message at its last ack, and waits for the disk each time. One that is `cleared_by` a service keeps
    its messages until that service removes, many at once, what every durable has acknowledged.

    One that holds schedules is a work queue that drops its oldest messages when it is full: the server refuses schedules
    together with `discard new`, and loses them at once under interest retention. Nothing in it is the truth.
    """

    name: str
    subjects: tuple[str, ...]
    max_bytes: int
    holds_schedules: bool = False
    cleared_by: str | None = None


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

    def readers_of(self, stream: Stream) -> tuple[Durable, ...]:
        """The consumers that read a stream."""
        return tuple(durable for durable in self.durables if durable.stream == stream.name)


EVENTS = Stream(name="EVENTS", subjects=("events.>",), max_bytes=4 * GIB, cleared_by="webhook-dispatcher")
INTERNAL = Stream(name="INTERNAL", subjects=("internal.>",), max_bytes=1 * GIB)
SCHEDULES = Stream(name="SCHEDULES", subjects=("schedules.>", "jobs.>"), max_bytes=16 * MIB, holds_schedules=True)
"""`schedules.<service>.<job>` holds when a job is next due; then the server puts a message on `jobs.<service>.<job>`."""

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
DISPATCHER_JOBS = Durable(
    name="webhook-dispatcher-jobs",
    stream="SCHEDULES",
    service="webhook-dispatcher",
    filters=("jobs.webhook-dispatcher.>",),
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
MAILER_WEBHOOKS = Durable(
    name="mailer-webhooks",
    stream="EVENTS",
    service="mailer",
    filters=("events.webhook.failing", "events.webhook.disabled"),
)

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
        Service(
            name="webhook-dispatcher",
            schema="webhooks",
            publishes=("events.webhook.>", "schedules.webhook-dispatcher.>"),
        ),
        Service(name="billing", schema="billing"),
        Service(name="mailer", schema="mailer", asks=("api",)),
    ),
    streams=(EVENTS, INTERNAL, SCHEDULES),
    durables=(
        DISPATCHER_INTAKE,
        DISPATCHER_ERASURES,
        DISPATCHER_JOBS,
        BILLING_WORKSPACES,
        MAILER_PEOPLE,
        MAILER_TASKS,
        MAILER_WEBHOOKS,
    ),
    extensions=("pg_trgm", "btree_gin"),
)
