"""The HTTP API: one exchange, its bytes, its rate limits."""
