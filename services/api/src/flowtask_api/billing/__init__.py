"""Billing, asked of the service that owns it."""
