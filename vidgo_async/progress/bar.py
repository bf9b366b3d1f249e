"""What is shown of a batch as styled lines that fit a terminal, by rich."""

import io

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from vidgo_async.progress.output import Output
from vidgo_async.progress.snapshot import InFlight, Snapshot
from vidgo_async.progress.text import parts

MAX_BAR, MIN_BAR = 60, 8
"""Columns of the longest bar, and of the shortest that says anything."""
SPACED = 6
"""Rows from which on the first is left empty."""
STATE = 11
"""Columns of a state: as long as the longest documented one, "not_started"."""
_SEPARATOR = ", "
_STYLES = {"done": "green", "failed": "red"}


class Bar:
    """Renders snapshots for one terminal: its colours and its encoding."""

    def __init__(self, output: Output) -> None:
        self._output = output
        # It knows colours and NO_COLOR, and renders; what it writes is not used.
        self._console = Console(
            file=io.StringIO(), force_terminal=True, force_jupyter=False, legacy_windows=False
        )
        heavy_and_light = "\N{BOX DRAWINGS HEAVY HORIZONTAL}\N{BOX DRAWINGS LIGHT HORIZONTAL}"
        can_draw = output.encodable(heavy_and_light) == heavy_and_light
        # Two shapes, so that the bar is one without colours too.
        self._full, self._empty = tuple(heavy_and_light if can_draw else "#-")

    def lines(self, snapshot: Snapshot, columns: int, rows: int) -> tuple[str, ...]:
        """Return at most so many lines of at most so many columns, what matters most first.

        The first is empty where there is room: what other code writes to the terminal begins there.
        """
        texts = [Text("")] if rows >= SPACED else []
        if snapshot.total:
            texts.append(self._bar(snapshot, snapshot.total, columns))
        texts += _summary(snapshot, columns)
        texts += [self._task(task, columns) for task in snapshot.newest]
        return tuple(self._styled(text, columns) for text in texts[:rows])

    def _bar(self, snapshot: Snapshot, total: int, columns: int) -> Text:
        share = min(1.0, snapshot.ended / total)
        label = f"{int(share * 100):>4}%  {snapshot.ended} of {total}"
        width = min(MAX_BAR, columns - len(label))
        if width < MIN_BAR:
            return Text(label.lstrip())
        ended = int(share * width)
        failed = round(ended * snapshot.failed / max(1, snapshot.ended))
        text = Text(self._full * (ended - failed), "green")
        text.append(self._full * failed, "red")
        text.append(self._empty * (width - ended), "dim")
        return text.append(label)

    def _task(self, task: InFlight, columns: int) -> Text:
        encodable = self._output.encodable
        state = set_cell_size(cut(encodable(task.state), STATE), STATE)
        percent = "" if task.percent is None else f"{task.percent}%"
        text = Text(f"  {state} {percent:>4} ", "cyan")
        return text.append(cut(encodable(task.prompt), columns - text.cell_len), "default")

    def _styled(self, text: Text, columns: int) -> str:
        with self._console.capture() as captured:
            self._console.print(
                text, end="", width=max(1, columns), no_wrap=True, overflow="crop", crop=True
            )
        return captured.get()


def _summary(snapshot: Snapshot, columns: int) -> list[Text]:
    """Return all parts, in as many lines as they need."""
    lines = [Text()]
    for part in parts(snapshot):
        if lines[-1] and lines[-1].cell_len + len(_SEPARATOR) + len(part) > columns:
            lines.append(Text())
        elif lines[-1]:
            lines[-1].append(_SEPARATOR)
        number, word = part.split(" ", 1)
        style = _STYLES.get(word, "") if number != "0" else ""
        lines[-1].append(part, style)
    return lines


def cut(text: str, columns: int) -> str:
    """Return as much of a text as fits; a wide character takes two columns."""
    if cell_len(text) <= columns:
        return text
    return set_cell_size(text, max(0, columns - 3)).rstrip() + "..."[: max(0, columns)]
