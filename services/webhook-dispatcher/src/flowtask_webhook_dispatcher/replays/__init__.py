"""Replays: sending again what endpoints were sent, or missed, over a span of time."""
