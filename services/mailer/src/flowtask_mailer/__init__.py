"""Turns events into mails and sends them."""
