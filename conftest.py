"""Fixtures for every test of the tree: real servers from wheels, one set for each worker."""

pytest_plugins = ["flowtask_local.testing"]
