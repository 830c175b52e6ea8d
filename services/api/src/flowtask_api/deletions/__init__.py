"""What goes on after a project was deleted: its tasks follow in chunks, and it goes last."""
