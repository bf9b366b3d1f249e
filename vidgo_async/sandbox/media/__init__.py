"""Real videos, and the bytes of files."""
