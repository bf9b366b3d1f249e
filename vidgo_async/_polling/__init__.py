"""When a task is polled, and who is told."""
