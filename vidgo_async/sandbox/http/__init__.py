"""The sandbox's endpoints."""
