"""Which events an endpoint wants, by what they say."""
