"""The command to try a request again, for a shell in the folder of the page."""

import json
import shlex
from typing import Any

from vidgo_async.page.outcomes import Record, State

MAX_COMMAND = 100_000
"""Characters; Linux takes 128 KiB for one argument."""
PICTURE_MODEL, PICTURES = "grok-imagine", "image_urls"
"""The model whose picture the program takes as `--image`, and its field."""


def command(record: Record) -> str | None:
    """Return what to type, or None where nothing of the kind would help."""
    if record.state is State.FAILED:
        if '"data:' in json.dumps(record.input):  # written down in part only
            return None
        text = _generate(record) if _fits_shell(record) else _in_python(record)
        return text if text and len(text) <= MAX_COMMAND else None
    if record.state is not State.SAVED and record.task_id:
        return shlex.join(["vidgo-async", "wait", "--out", ".", *_last(record.task_id)])
    return None


def _fits_shell(record: Record) -> bool:
    """Tell whether the program can be given the request: a prompt, and settings as key=value."""
    settings = [name for name in record.input if name != "prompt"]
    return bool(record.prompt and record.prompt.strip() and record.model) and not any(
        not name or "=" in name or name.startswith("-") for name in settings
    )


def _generate(record: Record) -> str:
    words = ["vidgo-async", "generate"]
    prompt = record.prompt or ""
    if not prompt.startswith("-"):
        words.append(prompt)
    words += ["--model", record.model]
    for name, value in record.input.items():
        if name == PICTURES and record.model == PICTURE_MODEL and _is_one_text(value):
            words += ["--image", value[0]]
        elif name != "prompt":
            words += ["--set", f"{name}={_setting(value)}"]
    words += ["--out", "."]
    if prompt.startswith("-"):
        words += _last(prompt)
    return shlex.join(words)


def _in_python(record: Record) -> str | None:
    """Return a line of Python for a request that the program cannot be given."""
    if not record.model:
        return None
    return f"await vidgo.generate(GenerationRequest({record.model!r}, {dict(record.input)!r}))"


def _is_one_text(value: Any) -> bool:
    match value:
        case [str(text)]:
            return not text.startswith("-")
        case _:
            return False


def _setting(value: Any) -> str:
    """Write a value as the program reads it: JSON where it is JSON, else text."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return value
    return json.dumps(value, ensure_ascii=False)  # a text such as "6" would be read as a number


def _last(argument: str) -> list[str]:
    """Write an argument that may begin with a hyphen."""
    return ["--", argument] if argument.startswith("-") else [argument]
