"""`write_page`: reads a folder, and replaces its page at once, in a worker thread."""

import contextlib
import os
from pathlib import Path

from vidgo_async._core.concurrency import Threads
from vidgo_async.page.document import GENERATOR, render
from vidgo_async.page.gallery import read_gallery

PAGE = "index.html"
HEAD = 4096
"""Bytes in which a page says what made it."""


async def write_page(folder: str | os.PathLike[str], *, title: str | None = None) -> Path:
    """Write a page that shows what a batch made, to be opened by a double click.

    It reads `outcomes.jsonl`, which the program and `download_to` write, and shows the other
    videos, pictures and sounds of the folder too. A page that it wrote before is replaced.

    Args:
        folder: Where the files are; the page is its `index.html`.
        title: The heading; by default the folder's name.

    Returns:
        The page's path.

    Raises:
        ValueError: The folder has nothing to show.
        FileExistsError: There is an `index.html` that was not written by this function.
        OSError: The folder cannot be read or written.
    """
    return await Threads().run(_write, Path(folder), title)


def _write(folder: Path, title: str | None) -> Path:
    page = folder / PAGE
    cards = read_gallery(folder)
    _check_ours(page)
    name = folder.absolute().name if title is None else title
    _replace(page, render(name or "Videos", cards))
    return page


def _check_ours(page: Path) -> None:
    """Refuse to replace what another program or a person wrote."""
    if page.exists() and not (page.is_file() and GENERATOR.encode() in _head(page)):
        msg = f"{page} was not written by vidgo_async: move it away, or write to another folder"
        raise FileExistsError(msg)


def _head(page: Path) -> bytes:
    with page.open("rb") as file:
        return file.read(HEAD)


def _replace(page: Path, content: bytes) -> None:
    """Write under a temporary name first: a reader never sees half a page."""
    part = page.with_name(f".{page.name}.{os.urandom(8).hex()}.part")
    try:
        part.write_bytes(content)
        part.replace(page)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
