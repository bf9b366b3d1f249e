"""Other services' own clients: their fakes, their environments, and one file for each of them.

What runs in a client's own environment imports nothing but that client, the standard library and
`benchmarks.stopwatch`. No client is closed in the end, since not all of them can be.
"""
