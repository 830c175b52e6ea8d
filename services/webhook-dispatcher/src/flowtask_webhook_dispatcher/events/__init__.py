"""What has happened in a workspace, matched or not."""
