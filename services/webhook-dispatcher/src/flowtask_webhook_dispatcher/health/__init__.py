"""How endpoints have been doing: counts of attempts, by time and by how long they took."""
