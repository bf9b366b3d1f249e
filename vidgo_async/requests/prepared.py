"""A request whose input was read once, since that costs as much as sending it."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from vidgo_async._core.concurrency import LARGE
from vidgo_async._core.models import Request, UploadedFile
from vidgo_async.requests.media import Source, as_medium, filled, is_source

ITEM = 8
"""Characters of JSON that any value counts as, beside its text: a number, or the marks around it."""


class PreparedRequest:
    """A request, what of it is to be uploaded, and how large the rest is."""

    __slots__ = ("_length", "input", "request", "sources")

    def __init__(self, request: Request) -> None:
        """Read its input."""
        self.request: Request = request
        self.input: Mapping[str, Any] = request.input
        self.sources: list[Source] = []
        """Each medium that has no URL yet, in order."""
        self._length = 0
        self._read(self.input, "")

    @property
    def is_large(self) -> bool:
        """Whether it takes long to encode what is sent as it is."""
        return self._length >= LARGE

    @property
    def is_heavy(self) -> bool:
        """Whether it takes long to read all of it, its media too."""
        return bool(self.sources) or self.is_large

    def input_with(self, links: Iterable[str]) -> Mapping[str, Any]:
        """Return the input with these in the place of its sources, which are as many."""
        if not self.sources:
            return self.input
        following = iter(links)
        return cast("dict[str, Any]", filled(self.input, "", lambda _: next(following)))

    def _read(self, value: object, name: str) -> None:
        """Read a value of the field `name`, in the order of `filled`."""
        self._length += ITEM
        match value:
            case str():
                if is_source(value, name):
                    self.sources.append(value)
                else:
                    self._length += len(value)
            case UploadedFile() | os.PathLike():
                self.sources.append(as_medium(value))
            case list() | tuple():
                for item in cast("Sequence[object]", value):
                    self._read(item, name)
            case Mapping():
                for key, item in cast("Mapping[object, object]", value).items():
                    self._length += len(str(key))
                    self._read(item, str(key))
            case _:
                pass
