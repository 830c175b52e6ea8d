"""Hears every public event and delivers it, signed, to the workspace's endpoints."""
