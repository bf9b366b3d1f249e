"""The commands: what each takes, and what it does with a session."""
