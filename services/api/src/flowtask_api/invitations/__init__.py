"""Inviting people to a workspace, and coming in."""
