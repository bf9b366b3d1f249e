"""One card as HTML. All that comes from a record or a file name is escaped here, and only here."""

import html
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from vidgo_async.page.again import command
from vidgo_async.page.gallery import Card, MediaItem
from vidgo_async.page.outcomes import Record, State

MAX_LABEL = 80
"""Characters of a prompt that a label repeats."""
MAX_VALUE = 500
"""Characters of an input; pictures may be megabytes of base64."""
DEFAULT_RATIO = 1.5
"""Width by height of a card without a picture."""
RATIOS = (0.5, 2.4)
"""Width by height of the narrowest and the widest card; what is in it has its own shape."""
LABELS = {
    "saved": "Saved",
    "failed": "Failed",
    "unsaved": "Not saved",
    "unknown": "Unknown",
    "other": "Other files",
}
"""What the states are called on the page, in their order."""
_NOTES = {
    State.FAILED: "Nothing was paid.",
    State.UNSAVED: "Paid for, and not saved yet.",
    State.UNKNOWN: "Perhaps paid for. Check the account's history before you buy it again.",
}


def card_html(card: Card, number: int) -> str:
    """Return a card; `number` is its place on the page, from 1."""
    data = {
        "state": card.state,
        "model": card.record.model if card.record else "",
        "ratio": card_ratio(card),
        "ended": _ended(card),
        "seconds": card.record.seconds if card.record else None,
        "credits": card.record.credits if card.record else None,
    }
    pairs = "".join(
        f' data-{name}="{escape(str(value))}"' for name, value in data.items() if value is not None
    )
    label = escape(f"{number}: {_label(card)}")
    body = _stage(card) + '<div class="caption">' + "".join(_caption(card)) + "</div>"
    return f'<article class="card"{pairs} aria-label="{label}">{body}</article>\n'


def card_ratio(card: Card) -> str:
    """Return width by height of a card's media, rounded: each distinct one is a line of style."""
    shapes = [item.shape for item in card.items if item.shape]
    ratio = shapes[0].ratio if shapes else DEFAULT_RATIO
    return f"{min(max(ratio, RATIOS[0]), RATIOS[1]):.2f}"


def escape(text: str) -> str:
    """Escape text for an element or an attribute, so that it comes out of the page unchanged."""
    return html.escape(text).replace("\r", "&#13;").replace("\0", "\N{REPLACEMENT CHARACTER}")


def amount(value: float) -> str:
    """Write credits or seconds: `1,200`, `0.25`."""
    rounded = f"{value:,.2f}".rstrip("0").rstrip(".")
    return rounded if rounded != "0" or not value else f"{value:.2g}"


def _label(card: Card) -> str:
    if card.record is None:
        return f"{card.items[0].name}, no record"
    text = card.record.prompt or card.record.model or card.record.task_id or "no prompt"
    text = " ".join(text.split())
    shortened = text if len(text) <= MAX_LABEL else f"{text[: MAX_LABEL - 1]}…"
    return f"{shortened}, {LABELS[card.state].lower()}"


def _ended(card: Card) -> str | None:
    """Return when it ended, in seconds since 1970."""
    if card.record is None:
        return None if card.modified is None else f"{card.modified:.0f}"
    try:
        ended = datetime.fromisoformat(card.record.ended_at or "")
        return f"{ended.timestamp():.0f}"
    except (ValueError, OverflowError, OSError):
        return None


# --- Media ----------------------------------------------------------------------------------


def _stage(card: Card) -> str:
    parts = [_item(item, card) for item in card.items]
    if any(item.exists and item.kind in {"video", "image"} for item in card.items):
        label = escape(f"Open {_label(card)}")
        parts.append(
            f'<button type="button" class="open" tabindex="-1" aria-label="{label}"></button>'
        )
    if card.record is not None and (not card.items or card.record.state is not State.SAVED):
        parts.append(_notice(card.record))
    many = " many" if len(card.items) > 1 else ""
    return f'<div class="stage{many}">{"".join(parts)}</div>'


def _item(item: MediaItem, card: Card) -> str:
    name, source = escape(item.name), escape(item.href)
    if not item.exists:
        return f'<p class="missing"><strong>Missing</strong> <bdi>{name}</bdi></p>'
    size = f' width="{item.shape.width}" height="{item.shape.height}"' if item.shape else ""
    label = escape(_label(card))
    if item.kind == "video":
        # The script makes it near the view: thousands of players take seconds to set up.
        return (
            f'<div class="film"><noscript><video src="{source}"{size} controls playsinline'
            f' preload="none" aria-label="{label}"></video></noscript></div>'
        )
    if item.kind == "image":
        return f'<img src="{source}"{size} loading="lazy" decoding="async" alt="{label}">'
    if item.kind == "audio":
        return f'<audio src="{source}" controls preload="none" aria-label="{label}"></audio>'
    return f'<p class="missing"><bdi>{name}</bdi></p>'


def _notice(record: Record) -> str:
    if record.state is State.SAVED:
        return '<p class="missing">No file was written down.</p>'
    reason = record.error or record.error_type
    parts = [f'<p class="badge">{LABELS[record.state.value]}</p>']
    if reason:
        parts.append(f'<p class="reason" dir="auto">{escape(reason)}</p>')
    if record.error and record.error_type:
        parts.append(f'<p class="kind">{escape(record.error_type)}</p>')
    parts.append(f'<p class="note">{escape(_note(record))}</p>')
    return f'<div class="notice">{"".join(parts)}</div>'


def _note(record: Record) -> str:
    if record.state is State.FAILED and record.credits:
        return f"Cost {amount(record.credits)} credits."
    return _NOTES[record.state]


# --- Text -----------------------------------------------------------------------------------


def _caption(card: Card) -> Iterator[str]:
    record = card.record
    if record is None:
        yield '<p class="none">No record of this file</p>'
    elif record.prompt is None:
        yield '<p class="none">No prompt</p>'
    else:
        text = f'<p class="prompt" dir="auto" data-text>{escape(record.prompt)}</p>'
        yield _copyable(text, "prompt")
    if record is not None:
        yield f'<p class="meta">{"".join(_meta(record))}</p>'
    if card.items:
        yield f'<div class="files">{"".join(map(_file_line, card.items))}</div>'
    if record is not None:
        if record.task_id:
            yield f'<p class="task"><span>Task</span> <code>{escape(record.task_id)}</code></p>'
        yield from _again(record)
        yield _details(record)


def _meta(record: Record) -> Iterator[str]:
    yield f'<span class="model">{escape(record.model or "model unknown")}</span>'
    if record.seconds is not None:
        yield f'<span class="took">took {amount(record.seconds)} s</span>'
    if record.credits is not None:
        yield f'<span class="credits">{_credits(record.credits)}</span>'
    elif record.state is not State.FAILED:
        yield '<span class="credits">credits unknown</span>'


def _credits(value: float) -> str:
    return f"{amount(value)} credit" if value == 1 else f"{amount(value)} credits"


def _file_line(item: MediaItem) -> str:
    name = f"<bdi>{escape(item.name)}</bdi>"
    text = f'<a href="{escape(item.href)}">{name}</a>' if item.exists else f"{name} (missing)"
    return f'<p class="file">{text}</p>'


def _again(record: Record) -> Iterator[str]:
    text = command(record)
    if text is None:
        if record.state is State.FAILED:
            yield '<p class="hint">Try it again from where it was sent.</p>'
        return
    hint = "To collect it" if record.state is not State.FAILED else "To try again"
    where = "from Python" if text.startswith("await") else "in this folder"
    code = f'<pre class="command"><code data-text>{escape(text)}</code></pre>'
    yield f'<p class="hint">{hint}, {where}:</p>{_copyable(code, "command")}'


def _copyable(content: str, what: str) -> str:
    button = f'<button type="button" class="copy" aria-label="Copy {what}">Copy</button>'
    return f'<div class="copyable">{content}{button}</div>'


def _details(record: Record) -> str:
    values = [(name, value) for name, value in record.input.items() if name != "prompt"]
    times = {"submitted": record.submitted_at, "ended": record.ended_at, "run": record.run}
    values += [(name, value) for name, value in times.items() if value]
    if not values:
        return ""
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(_value(value))}</dd>" for name, value in values
    )
    return f"<details><summary>Details</summary><dl>{rows}</dl></details>"


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"
