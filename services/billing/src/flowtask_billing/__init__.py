"""What each workspace pays for."""
