"""Webhook endpoints and deliveries, all asked of the service that owns them."""
