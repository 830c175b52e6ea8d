"""What all routes share: the transaction, bodies and pages."""
