"""The mails of a workspace, asked of the service that sends them."""
