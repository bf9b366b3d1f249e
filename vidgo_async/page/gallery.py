"""The records of a folder and the files in it, brought together as cards."""

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import attrs

from vidgo_async.page.outcomes import Record, merge, read_records
from vidgo_async.page.shapes import Shape, asked_shape, file_shape

OUTCOMES = "outcomes.jsonl"
"""What the program and `download_to` write."""
KINDS = {
    **dict.fromkeys((".mp4", ".webm", ".mov"), "video"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".gif"), "image"),
    **dict.fromkeys((".mp3", ".wav"), "audio"),
}
"""What a browser shows, by the ending of its name."""


@attrs.frozen
class MediaItem:
    """A file of a card."""

    name: str
    """Its path as it was written down."""
    href: str
    """Its address, seen from the page."""
    kind: str
    """`video`, `image`, `audio` or `file`."""
    exists: bool
    shape: Shape | None
    """Its own shape, or else the one that was asked for."""


@attrs.frozen
class Card:
    """A request with its files, or a file that no record mentions."""

    items: tuple[MediaItem, ...]
    record: Record | None = None
    modified: float | None = None
    """When a file without a record was written, in seconds since 1970."""

    @property
    def state(self) -> str:
        """A state of records, or `other`."""
        return "other" if self.record is None else self.record.state.value


def read_gallery(folder: Path) -> list[Card]:
    """Return the cards of a folder: those with a record first.

    Raises:
        ValueError: There is nothing to show.
    """
    path = folder / OUTCOMES
    records = read_records(path)
    current = merge(records)
    known = {_absolute(folder, name) for record in current for name in record.files}
    others = _other_files(folder, known)
    if not records and not others and not path.is_file():
        msg = f"{folder} has neither {OUTCOMES} nor any video, picture or sound: nothing to show"
        raise ValueError(msg)
    return [_card(folder, record) for record in current] + others


def _card(folder: Path, record: Record) -> Card:
    asked = asked_shape(record.input)
    return Card(tuple(_item(folder, name, asked) for name in record.files), record)


def _item(folder: Path, name: str, asked: Shape | None) -> MediaItem:
    path = folder / name
    kind = KINDS.get(path.suffix.lower(), "file")
    exists = _is_file(path)
    shape = file_shape(path) if exists and kind in {"video", "image"} else None
    return MediaItem(name, _href(name), kind, exists, shape or asked)


def _other_files(folder: Path, known: Iterable[str]) -> list[Card]:
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [
        Card((_item(folder, path.name, None),), modified=path.stat().st_mtime)
        for path in paths
        if path.suffix.lower() in KINDS
        and not path.name.startswith(".")
        and _is_file(path)
        and _absolute(folder, path.name) not in known
    ]


def _absolute(folder: Path, name: str) -> str:
    return os.path.normpath(folder.absolute() / name)


def _is_file(path: Path) -> bool:
    """Tell whether a file is there; names from a record may be too long, or hold a NUL."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _href(name: str) -> str:
    """Write a path as an address: `#`, `?`, `%`, blanks and undecodable bytes are quoted."""
    if not Path(name).is_absolute():
        return quote(_encoded(name))
    return "file:///" + quote(_encoded(Path(name).as_posix()).lstrip(b"/"), safe="/:")


def _encoded(name: str) -> bytes:
    try:
        return os.fsencode(name)
    except UnicodeEncodeError:  # half a character, which no file can have in its name
        return name.encode("utf-8", "replace")
