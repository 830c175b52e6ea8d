"""Who is calling: authenticators that each know one kind of credential and yield one `Caller`."""
