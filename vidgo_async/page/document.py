"""The whole page: its counts, its filters, its style and script, and what it may load."""

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template

from vidgo_async.page.cards import LABELS, amount, card_html, card_ratio, escape
from vidgo_async.page.gallery import Card
from vidgo_async.page.outcomes import State

GENERATOR = '<meta name="generator" content="vidgo_async">'
"""What tells our pages from others."""
SCRIPTS = ("view.js", "media.js", "viewer.js", "keys.js")
"""The parts of the one script, in their order."""
_ASSETS = Path(__file__).with_name("assets")


def render(title: str, cards: Sequence[Card]) -> bytes:
    """Return the page, in UTF-8."""
    style = _asset("page.css") + _ratio_rules(cards)
    script = f"(() => {{\n{''.join(map(_asset, SCRIPTS))}}})();"
    counted, credit = counts(cards), credit_sum(cards)
    page = Template(_asset("page.html")).substitute(
        generator=GENERATOR,
        policy=_policy(style, script),
        style=style,
        script=script,
        window_title=escape(f"{title}: {counted}"),
        title=escape(title),
        summary=escape(", ".join(filter(None, (counted, credit)))),
        states=_buttons("state", _state_choices(cards)),
        models=_buttons("model", _model_choices(cards)),
        cards="".join(card_html(card, number) for number, card in enumerate(cards, 1)),
        empty="" if cards else '<p class="empty">No record could be read yet.</p>',
    )
    return page.encode("utf-8", "replace")  # half a character is no reason to show nothing


def counts(cards: Iterable[Card]) -> str:
    """Say what there is: `12 videos, 2 failed`."""
    found: Counter[str] = Counter()
    for card in cards:
        found.update(item.kind if item.exists else "missing" for item in card.items)
        if card.state not in {"saved", "other"}:
            found[card.state] += 1
    names = {"video": "video", "image": "picture", "audio": "sound", "file": "other file"}
    parts = [_plural(found[kind], name) for kind, name in names.items() if found[kind]]
    states = {
        "failed": "failed",
        "unsaved": "not saved",
        "unknown": "unknown",
        "missing": "missing",
    }
    parts += [f"{found[state]:,} {name}" for state, name in states.items() if found[state]]
    return ", ".join(parts) or "nothing yet"


def credit_sum(cards: Iterable[Card]) -> str:
    """Say what all cost, as far as it is known; nothing where nothing was bought."""
    records = [card.record for card in cards if card.record]
    known = [record.credits for record in records if record.credits is not None]
    bought = [record for record in records if record.state is not State.FAILED]
    is_partial = any(record.credits is None for record in bought)
    if is_partial and not known:
        return "credits unknown"
    if not known:
        return ""
    total = math.fsum(known)
    text = f"{amount(total)} credit" if total == 1 else f"{amount(total)} credits"
    return f"at least {text}" if is_partial else text


def _plural(count: int, name: str) -> str:
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"


def _state_choices(cards: Iterable[Card]) -> dict[str, tuple[str, int]]:
    found = Counter(card.state for card in cards)
    return {state: (label, found[state]) for state, label in LABELS.items() if found[state]}


def _model_choices(cards: Iterable[Card]) -> dict[str, tuple[str, int]]:
    found = Counter(card.record.model for card in cards if card.record)
    return {model: (model, found[model]) for model in sorted(found) if model}


def _buttons(what: str, choices: dict[str, tuple[str, int]]) -> str:
    """Write the buttons of a filter; with a single choice there is nothing to filter."""
    return "".join(
        f'<button type="button" data-filter="{what}" data-value="{escape(value)}"'
        f' aria-pressed="false">{escape(label)} <span class="count">{count}</span></button>'
        for value, (label, count) in choices.items()
    )


def _ratio_rules(cards: Iterable[Card]) -> str:
    """Write a rule for each distinct shape: the policy allows no style attributes."""
    ratios = sorted({card_ratio(card) for card in cards})
    return "".join(f'.card[data-ratio="{ratio}"]{{--ratio:{ratio}}}\n' for ratio in ratios)


def _policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy: this style, this script, files near the page."""
    return (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)};"
        " img-src 'self' file:; media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text("utf-8")
