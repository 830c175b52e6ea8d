"""A service of two tables, for tests of the kit alone."""
