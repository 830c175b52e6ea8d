"""Test webhooks: sent at once on request, told of in the answer, and on record nowhere."""
