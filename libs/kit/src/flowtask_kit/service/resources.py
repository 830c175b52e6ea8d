"""What a service is built of, made once in `create_app` and handed down."""

from dataclasses import dataclass, field

from flowtask_contracts.topology import Service
from flowtask_kit.bus.commands import Commands
from flowtask_kit.bus.connection import Bus
from flowtask_kit.database.direct import Direct
from flowtask_kit.database.engine import Database, create_database, plain_dsn
from flowtask_kit.outbox.relay import Relay
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.service.background import Background
from flowtask_kit.service.forgetting import forgetting
from flowtask_kit.service.worker import Worker
from flowtask_kit.settings import ServiceSettings


@dataclass(frozen=True)
class Resources:
    """Database, the direct way to it, bus, outbox wake and background loops of one process."""

    service: Service
    settings: ServiceSettings
    database: Database
    direct: Direct
    bus: Bus
    wake: Wake
    commands: Commands
    background: Background = field(default_factory=Background)

    @classmethod
    def create(cls, service: Service, settings: ServiceSettings) -> "Resources":
        """Build everything; nothing connects before the service starts."""
        bus = Bus(settings, service=service.name)
        dsn = plain_dsn(settings.database_url.get_secret_value())
        return cls(
            service=service,
            settings=settings,
            database=create_database(settings, service=service.name),
            direct=Direct(dsn, size=settings.database_pool_size, name=f"flowtask-{service.name}-direct"),
            bus=bus,
            wake=Wake(bus, service.name),
            commands=Commands(bus, patience=settings.command_patience),
        )

    def relay(self) -> Relay:
        """The loop that empties this service's outbox."""
        return Relay(plain_dsn(self.settings.database_url.get_secret_value()), self.service.schema, self.bus, self.wake)

    def forgetting(self) -> Worker:
        """The loop that forgets the replies which this service need not give again."""
        return forgetting(self.database, self.wake, self.service.schema)
