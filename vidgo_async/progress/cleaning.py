"""Text of others on one line of a terminal: nothing in it moves the cursor."""

import re
import unicodedata

from vidgo_async._core.models import Request

MAX_LENGTH = 500
"""Characters of a prompt or a state that are kept: more than any terminal is wide."""
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Also line ends, overrides of direction and halves of pairs."""


def clean(text: str) -> str:
    """Return text of others on one line, each character as wide as all terminals think it is."""
    # Joiners, marks of direction and variants have no width, or one that terminals disagree on.
    visible = (each for each in text[:MAX_LENGTH] if unicodedata.category(each) != "Cf")
    line = clean_line("".join(visible).replace("\N{VARIATION SELECTOR-16}", ""))
    return " ".join(line.split())


def clean_line(line: str) -> str:
    """Return a line without what moves the cursor, or turns the rest of the line around."""
    return _CONTROLS.sub(_harmless, line)


def _harmless(control: re.Match[str]) -> str:
    return " " if control[0].isspace() else "\N{REPLACEMENT CHARACTER}"


def prompt_of(request: Request) -> str:
    """Return what tells a request from others: its prompt, or else its model."""
    prompt = request.input.get("prompt")
    return (clean(prompt) if isinstance(prompt, str) else "") or clean(request.model)
