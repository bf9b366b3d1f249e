"""What is settled before anything is bought: the count, the balance, and the user's word."""

import functools
import sys
from collections import Counter
from collections.abc import Sequence

import anyio

from vidgo_async.cli.inputs.rows import Row
from vidgo_async.cli.options import Money
from vidgo_async.cli.outputs.console import Console, count_of
from vidgo_async.cli.outputs.report import OK, USAGE
from vidgo_async.cli.running.journals import RunJournal
from vidgo_async.cli.running.money import Ask
from vidgo_async.progress.modes import is_terminal

ASK_FROM = 20
"""Requests that are not bought without a question."""


def preflight(
    rows: Sequence[Row], journal: RunJournal, money: Money, ask: Ask | None, console: Console
) -> int | None:
    """Settle whether rows are bought.

    Args:
        rows: What to generate.
        journal: Where it is written down, if it is.
        money: What may be spent.
        ask: Asks for the balance; None where nothing costs money.
        console: Where to tell.

    Returns:
        None to go on; else the exit status.

    Raises:
        JournalError: The journal cannot be read.
    """
    if not money.dry_run and (money.yes or ask is None or len(rows) < ASK_FROM):
        return None
    new = anyio.run(functools.partial(journal.count_new, [row.request for row in rows]))
    if money.dry_run:
        _show_plan(rows, new, console)
        return OK
    return None if ask is None or new < ASK_FROM or _confirm(new, ask, console) else USAGE


def _show_plan(rows: Sequence[Row], new: int, console: Console) -> None:
    models = Counter(row.request.model for row in rows)
    parts = ", ".join(f"{count} of {model}" for model, count in models.items())
    known = f"; {len(rows) - new} bought before, {new} to buy" if new < len(rows) else ""
    record = {"requests": len(rows), "models": dict(models), "new": new}
    console.result(f"{count_of(len(rows), 'request')}: {parts}{known}", record)


def _confirm(new: int, ask: Ask, console: Console) -> bool:
    """Ask whether to go on, where there is a person to ask."""
    balance = anyio.run(ask)
    told = "unknown" if balance is None else f"{balance:g} credits"
    what = f"this buys {count_of(new, 'task')}; the balance is {told}"
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        console.error(f"vidgo-async: {what}. Without a terminal to ask on it needs --yes")
        return False
    sys.stderr.write(f"{what}. Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in {"y", "yes"}:
        return True
    console.error("nothing was bought")
    return False
