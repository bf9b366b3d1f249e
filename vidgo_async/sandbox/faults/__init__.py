"""What can go wrong, on demand.

- `connections`: resets, cuts, stalls and delays; here is what a fault is
- `responses`: other responses, and changes of the real one
- `files`: the file host sends other bytes, or from elsewhere
- `injection`: which requests a fault applies to
"""
