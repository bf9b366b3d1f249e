"""A page that was written, as a parser of HTML reads it."""

from html.parser import HTMLParser

from tests.page.folders import Folder
from vidgo_async.page import write_page


class Cards(HTMLParser):
    """The texts of a page by their class, and the tags it is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[tuple[str, str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = dict(attrs).get("class") or self._inside

    def handle_data(self, data: str) -> None:
        self.texts.append((self._inside, data))

    def of(self, name: str) -> list[str]:
        """Return the texts inside a class."""
        return [text for inside, text in self.texts if inside == name]

    def tag(self, name: str) -> list[dict[str, str | None]]:
        """Return the attributes of each such tag."""
        return [attrs for tag, attrs in self.tags if tag == name]


async def written(folder: Folder, title: str | None = None) -> Cards:
    assert await write_page(folder.path, title=title) == folder.path / "index.html"
    return Cards(folder.page)
