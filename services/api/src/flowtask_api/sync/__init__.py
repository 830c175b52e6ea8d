"""Copies kept elsewhere: everything that has changed since a token was given."""
