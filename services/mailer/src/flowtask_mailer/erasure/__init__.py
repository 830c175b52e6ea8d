"""Erasing what is held of people and workspaces."""
