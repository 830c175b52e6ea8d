"""Users, workspaces and who belongs where."""
