"""File names from what a server said: harmless on any system, and as distinct as its own."""

import hashlib
import re
from urllib.parse import quote, unquote

from vidgo_async._core.models import MediaFile

MAX_STEM = 180
"""Characters of a name before its suffix; file systems allow 255 bytes for all of it."""
DIGEST = 16
"""Characters of the digest that replaces the end of a long name."""

_SEGMENT = re.compile(r"(?is)https?://[^/?#]*(?:/[^?#]*)?/([^/?#]*)(?:[?#].*)?")
"""An address with a path, and the path's last part."""
_SUFFIX = re.compile(r"(?is).*(\.[a-z0-9]{1,5})")
_SUFFIXES = {"image": ".png", "audio": ".mp3"}
"""For addresses that show none."""
_DEVICE = re.compile(r"(?i)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)")
"""Names that open a device on Windows, whatever their suffix."""


def file_name(file: MediaFile, number: int = 1) -> str:
    """Return the name to save a file under: its task's id, or else its address's last part.

    It is a name in a folder and never a way out of it: no separator, no NUL, no device, no
    leading dot, 200 characters of ASCII at most.

    Args:
        file: The file.
        number: Its number among the files of its task. From 2 on it is in the name, as in
            `abc+2.mp4`: no id can look like that, since a plus sign in one is quoted.
    """
    segment, suffix = _segment(file), suffix_of(file)
    stem = file.task_id or unquote(segment.removesuffix(suffix)) or "file"
    count = f"+{number}" if number > 1 else ""
    return f"{_harmless(stem)}{count}{suffix}"


def suffix_of(file: MediaFile) -> str:
    """Return the suffix of a file by its address, else by its type; with its dot."""
    ending = _SUFFIX.fullmatch(_segment(file))
    return ending[1] if ending else _SUFFIXES.get(file.file_type or "", ".mp4")


def _segment(file: MediaFile) -> str:
    found = _SEGMENT.fullmatch(file.file_url.strip())
    return found[1] if found else ""


def _harmless(stem: str) -> str:
    """Quote what may mean something to a file system; distinct texts stay distinct."""
    quoted = quote(stem, safe="", errors="surrogatepass")
    if len(quoted) > MAX_STEM:
        digest = hashlib.sha256(quoted.encode()).hexdigest()[:DIGEST]
        quoted = f"{quoted[: MAX_STEM - DIGEST - 1]}-{digest}"
    if quoted.startswith(".") or _DEVICE.match(quoted):
        quoted = f"%{ord(quoted[0]):02X}{quoted[1:]}"
    return quoted
