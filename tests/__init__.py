"""The tests, by the wings of the package; `whole` is about all of it, `support` is shared."""
