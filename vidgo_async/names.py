"""File names for what came from a server, which may be anything."""

import re
from urllib.parse import quote

from vidgo_async.tasks import MediaFile

_SUFFIX = re.compile(r"(?is)https?://[^/?#]*/[^?#]*(\.[a-z0-9]{1,5})(?:[?#].*)?")
"""An address with a path that ends like a file name."""


def file_name(file: MediaFile, number: int = 1) -> str:
    """Name a file after its task; the quoting keeps distinct ids distinct, and harmless."""
    found = _SUFFIX.fullmatch(file.file_url)
    suffix = found[1] if found else ".png" if file.file_type == "image" else ".mp4"
    count = f"-{number}" if number > 1 else ""
    return f"{quote(file.task_id or 'file', safe='')}{count}{suffix}"
