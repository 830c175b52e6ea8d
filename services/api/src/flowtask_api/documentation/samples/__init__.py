"""Code that receivers of webhooks may copy, as the page shows it; tests run each piece."""
