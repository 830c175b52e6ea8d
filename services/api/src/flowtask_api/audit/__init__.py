"""Who has changed what in a workspace: kept for ever, without secrets and without people's names and addresses."""
