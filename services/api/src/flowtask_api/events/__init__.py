"""What has happened in the workspace, and the catalogue of what can happen."""
