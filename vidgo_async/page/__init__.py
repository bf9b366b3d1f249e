"""`write_page`: a page to go through what a batch made, opened by a double click.

    await write_page("videos")  # writes videos/index.html

- `writer`: reads the folder, and replaces the page there at once
- `outcomes`: what the runs wrote down, and which of it still holds
- `gallery`: records and the files of the folder, brought together
- `shapes`: width and height of a file, from its first bytes
- `again`: the command to try again
- `cards`: one card, as HTML
- `document`: the whole page, its counts and its Content-Security-Policy
- `assets`: its style and its script
"""

from vidgo_async.page.writer import write_page

__all__ = ["write_page"]
