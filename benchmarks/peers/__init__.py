"""Other vendors' clients: their fake APIs, their environments, and one module for each client.

A client's module has `create(url, interval, variant)`. It runs in the client's own environment and
imports only that client and the standard library. No client is closed at the end, since not all of
them can be.
"""
