"""What is held up at ordered endpoints, and going on without it."""
