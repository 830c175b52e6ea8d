"""Erasing what is held of a workspace: nothing is sent any more at once, and its history goes in chunks."""
