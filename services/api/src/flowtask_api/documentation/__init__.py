"""What the API says of itself: its description in OpenAPI, made from the code, and pages for people."""
