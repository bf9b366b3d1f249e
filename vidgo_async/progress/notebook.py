"""A display in Jupyter: one output of the cell, which is updated."""

import html
import importlib
from typing import Any

import attrs

from vidgo_async.progress.snapshot import Snapshot
from vidgo_async.progress.text import parts, shorten

LENGTH = 90
"""Characters of a prompt."""


class Display:
    """Shows snapshots in the output of the cell that runs."""

    def __init__(self) -> None:
        # Imported only in a notebook, where it is loaded already.
        self._ipython: Any = importlib.import_module("IPython.display")
        self._handle: Any = None
        self._shown: Snapshot | None = None

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot in place of the one before."""
        self._shown = snapshot
        if self._handle is None:
            self._handle = self._ipython.display(Shown(snapshot), display_id=True)
        else:
            self._handle.update(Shown(snapshot))

    def close(self, last: Snapshot | None) -> None:
        """Leave the last counts, without tasks in flight.

        Args:
            last: None if the batch is gone.
        """
        last = last or self._shown
        if last is not None:
            self.show(attrs.evolve(last, newest=()))


@attrs.frozen
class Shown:
    """A snapshot as Jupyter shows it."""

    snapshot: Snapshot

    def __repr__(self) -> str:
        return "\n".join(_lines(self.snapshot))

    def _repr_html_(self) -> str:
        lines = html.escape("\n".join(_lines(self.snapshot)))
        bar = ""
        if self.snapshot.total:
            ended, total = self.snapshot.ended, self.snapshot.total
            bar = f'<progress value="{ended}" max="{total}" style="width: 30em"></progress>'
            bar += f" {ended} of {total}"
        return f'{bar}<pre style="overflow-x: auto" dir="ltr">{lines}</pre>'


def _lines(snapshot: Snapshot) -> list[str]:
    lines = [", ".join(parts(snapshot))]
    for task in snapshot.newest:
        percent = "" if task.percent is None else f"{task.percent}%"
        lines.append(f"  {task.state:<11} {percent:>4} {shorten(task.prompt, LENGTH)}")
    return lines
