"""All processes, real PostgreSQL and NATS, real HTTP."""
