"""API keys: made once, shown once, kept as digests, revoked at once."""
