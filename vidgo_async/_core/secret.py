"""Text that does not show itself.

The key, a callback's token and the bodies that carry it live in local variables, and tools that
report errors print those. Everything else about these types is plain `str` and `bytes`.
"""


class SecretText(str):
    """A string whose `repr` is blotted out."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class SecretBytes(bytes):
    """Bytes whose `repr` is blotted out."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"
