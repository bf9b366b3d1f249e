"""File names of any text, without their suffix: readable, and harmless on any system.

Unlike those of `filenames.py`, two texts may give one name.
"""

import re
import unicodedata

MAX_BYTES = 120
"""Bytes of a name before its suffix. Some encrypted file systems allow 143 for all of it, with a
number, a suffix, and what a temporary name adds."""
MAX_SLUG = 60
"""Bytes of a slug."""
EMPTY = "file"
"""The name of a text in which nothing is left."""

_MAX_READ = 1000
"""Characters that are read of a text; a name has room for far fewer."""
_JOINER = "\u200d"
_FORBIDDEN = frozenset('<>:"/\\|?*')
_INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and signs that show nothing; other such characters have a category of their own."""
_EMOJI = "\u2190-\u2bff\U0001f000-\U0001faff"
_LONE_JOINER = re.compile(f"(?<![{_EMOJI}\ufe0f]){_JOINER}|{_JOINER}(?![{_EMOJI}])")
_DEVICE = re.compile(
    r"(?i)(?:con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])"
    r"\s*(?:\.|$)"
)
"""Names that open a device on Windows, whatever follows a dot."""
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)


def safe_stem(text: str) -> str:
    """Make a file name without its suffix: no way out of a folder, and no more than `MAX_BYTES`.

    It is never empty; it is no device of Windows, and has neither a separator nor a character that
    a file system refuses. A safe name stays as it is.
    """
    kept = "".join(_harmless(each) for each in text[:_MAX_READ])
    normal = unicodedata.normalize("NFC", _LONE_JOINER.sub("", kept))
    stem = " ".join(normal.split()).lstrip("-. ").rstrip(". ")
    if _DEVICE.match(stem):
        stem = f"_{stem}"
    stem = _cut(stem, MAX_BYTES).rstrip(f". {_JOINER}")
    return EMPTY if all(_is_mark(each) for each in stem) else stem


def slug(text: str) -> str:
    """Join the words of a text, in lower case, with dashes: at most `MAX_SLUG` bytes.

    Letters and digits of any script are kept. It may be empty.
    """
    normal = unicodedata.normalize("NFKC", text[:_MAX_READ]).lower()
    kept = "".join(_of_word(each) for each in normal)
    words = [word for each in kept.split() if (word := _without_first_marks(each))]
    return _cut_words(unicodedata.normalize("NFC", "-".join(words)), MAX_SLUG)


# --- Characters -----------------------------------------------------------------------------


def _harmless(character: str) -> str:
    """Return a character, or what stands for it in a file name."""
    if character.isspace():
        return " "
    if character in _FORBIDDEN:
        return "-"
    category = unicodedata.category(character)
    if character != _JOINER and (category == "Cf" or character in _INVISIBLE):
        return ""
    # Controls, halves of characters, private ones, and those that some file systems do not know.
    return "-" if category in {"Cc", "Cs", "Co", "Cn"} else character


def _of_word(character: str) -> str:
    """Return a character of a word; nothing for one that does not show, a blank for any other."""
    category = unicodedata.category(character)
    if category == "Cf" or character in _INVISIBLE or _is_selector(character):
        return ""
    return character if category[0] in "LNM" else " "


def _is_selector(character: str) -> bool:
    """Tell whether it only chooses how the character before it is drawn."""
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _without_first_marks(word: str) -> str:
    """Drop the marks that have no letter to stand on."""
    first = next((i for i, each in enumerate(word) if not _is_mark(each)), len(word))
    return word[first:]


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


# --- Lengths --------------------------------------------------------------------------------


def _cut_words(text: str, limit: int) -> str:
    """Cut at the end of a word, where that leaves at least half."""
    cut = _cut(text, limit)
    if cut == text or text[len(cut)] == "-":
        return cut
    end = cut.rfind("-")
    return (cut[:end] if end >= len(cut) / 2 else cut).rstrip("-")


def _cut(text: str, limit: int) -> str:
    """Cut by the bytes of UTF-8, before a character that people take for one."""
    if len(text.encode()) <= limit:
        return text
    length = len(text.encode()[:limit].decode(errors="ignore"))
    end = next((i for i in range(length, 0, -1) if _may_cut(text, i)), length)
    return text[:end]


def _may_cut(text: str, at: int) -> bool:
    before, after = text[at - 1], text[at]
    if _JOINER in {before, after} or _is_mark(after) or ord(after) in _SKIN_TONES:
        return False
    return not (ord(before) in _FLAG_LETTERS and _is_in_flag(text, at))


def _is_in_flag(text: str, at: int) -> bool:
    """Tell whether a flag, which is two letters, would be cut in two."""
    start = at
    while start > 0 and ord(text[start - 1]) in _FLAG_LETTERS:
        start -= 1
    return (at - start) % 2 == 1 and ord(text[at]) in _FLAG_LETTERS
