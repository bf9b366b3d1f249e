"""The command line: `vidgo-async`."""
