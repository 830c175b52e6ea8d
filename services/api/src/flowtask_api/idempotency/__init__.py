"""Writes that take effect once, however often they are sent: an Idempotency-Key and the answer it was given."""
