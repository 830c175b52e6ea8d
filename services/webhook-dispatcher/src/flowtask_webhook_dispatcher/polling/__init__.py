"""Endpoints that fetch their events instead of being sent them."""
