"""The public REST API: projects, tasks, keys and workspaces, and the front door to the webhook dispatcher."""
