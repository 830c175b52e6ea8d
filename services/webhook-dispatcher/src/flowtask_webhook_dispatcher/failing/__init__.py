"""Endpoints to which nothing arrives: their owners are warned, then they are disabled, and told when they work again."""
