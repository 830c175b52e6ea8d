"""People who sign in with Clerk: their session tokens verified, and who they are made known on first sight."""
