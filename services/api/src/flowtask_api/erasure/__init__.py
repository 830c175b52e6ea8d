"""Erasing people and workspaces: out of sight at once, and gone, here and in every service, soon after."""
