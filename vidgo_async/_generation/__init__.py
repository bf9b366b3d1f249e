"""The paid POST, and batches of it."""
