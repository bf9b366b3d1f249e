"""What is shown of a batch in plain words."""

import math

from vidgo_async._generation.outcome import Outcome
from vidgo_async._generation.outcome_record import state_of
from vidgo_async.progress.cleaning import clean_line, prompt_of
from vidgo_async.progress.snapshot import Credits, Snapshot

_STATES = {
    None: "not sent",
    "failed": "failed",
    "unsaved": "not saved",
    "unknown": "perhaps bought",
}
"""In words."""
SHORT = 60
"""Characters of a prompt in a line about one request."""
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0


def end_line(outcome: Outcome, number: int, total: int | None, seconds: float | None) -> str:
    """Return the line about a request that ended.

    Args:
        outcome: What became of it.
        number: How many have ended, this one included.
        total: How many there are; None where that is unknown.
        seconds: How long its task took; None where this run does not know.
    """
    where = f"{number}" if total is None else f"{number} of {total}"
    about = f"{where}: {shorten(prompt_of(outcome.request), SHORT)}"
    if outcome.error is not None:
        how = _STATES[state_of(outcome.error, outcome.task)]
        reason = str(outcome.error).removeprefix(f"task {outcome.error.task_id} failed: ")
        return f"{about}: {how}: {clean_line(reason)}"
    if seconds is None:
        return f"{about}: finished, bought before"
    cost = outcome.task.credits
    price = "" if cost is None else f", {amount(cost)} credits"
    return f"{about}: finished after {seconds:.0f} s{price}"


def heartbeat(snapshot: Snapshot) -> str:
    """Return the line that says how far a batch is."""
    left, queued = snapshot.seconds_left, snapshot.queued
    counts = [f"{snapshot.in_flight} in flight"]
    if queued is not None:
        counts.append(f"{queued} queued")
    counts += [f"{snapshot.finished} done", f"{snapshot.failed} failed"]
    line = ", ".join(counts)
    if queued is not None:
        line = f"{snapshot.in_flight + queued} to go: {line}"
    return line if left is None else f"{line}; about {duration(left)} left"


def parts(snapshot: Snapshot) -> list[str]:
    """Return what there is to say of a batch, the most important first."""
    left, queued, rate = snapshot.seconds_left, snapshot.queued, snapshot.per_minute
    found = [f"{snapshot.finished} done", f"{snapshot.failed} failed"]
    found.append(f"{snapshot.in_flight} in flight")
    if queued is not None:
        found.append(f"{queued} queued")
    if left:
        found.append(f"about {duration(left)} left")
    if rate is not None:
        found.append(f"{amount(rate)} a minute" if rate >= 1 else f"{amount(rate * 60)} an hour")
    if snapshot.credits is not None:
        found.append(price(snapshot.credits))
    return found


def price(known: Credits) -> str:
    """Return what a batch cost so far."""
    at_least = "" if known.is_complete else "at least "
    return f"{at_least}{amount(known.amount)} credits"


# --- Numbers --------------------------------------------------------------------------------


def amount(number: float) -> str:
    """Return a number with at most two digits after the point."""
    return f"{number:,.2f}".rstrip("0").rstrip(".")


def duration(seconds: float) -> str:
    """Return a length of time, about as exact as a guess may be."""
    if seconds < 1.5 * _MINUTE:
        return f"{math.ceil(seconds / 10) * 10} s"
    if seconds < 1.5 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.0f} h"
    return f"{seconds / _DAY:.0f} days"


def shorten(text: str, length: int) -> str:
    """Return at most so many characters of a text."""
    return text if len(text) <= length else text[: length - 3].rstrip() + "..."
