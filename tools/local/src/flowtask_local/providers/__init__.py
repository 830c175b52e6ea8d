"""Stand-ins for providers: small real servers on loopback, for tests and for trying things out."""
