"""`failed.jsonl`: the rows that failed and cost nothing, as `--from` takes them.

No row gets lost: rows of earlier runs stay until a run has them, and a run that reads the file leaves
what it did not complete.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from vidgo_async.cli.inputs.rows import Row, dump_row

NAME = "failed.jsonl"
"""Its name in the folder."""


class FailedRows:
    """The file of one folder."""

    def __init__(self, folder: Path) -> None:
        self.path: Path = folder / NAME

    def is_same_as(self, file: Path | None) -> bool:
        """Tell whether a run reads its rows from here."""
        return file is not None and self.path.exists() and self.path.samefile(file)

    def replace(self, rows: Sequence[Row], of_this_run: Iterable[Row]) -> None:
        """Write rows, beside those of earlier runs which this run did not have.

        Args:
            rows: What is to be tried again of this run.
            of_this_run: All its rows.

        Raises:
            OSError: It cannot be written; it is as it was.
            ValueError: There is a file of that name which holds other things.
        """
        had = {_identity(dump_row(row)) for row in of_this_run}
        kept = [line for line in self._lines() if _identity(line) not in had]
        lines = [*kept, *map(dump_row, rows)]
        if not lines:
            self.path.unlink(missing_ok=True)
            return
        part = self.path.with_name(f".{NAME}.part")
        part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        part.replace(self.path)

    def _lines(self) -> list[str]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [line for line in text.split("\n") if line]


def _identity(line: str) -> str:
    """Return what two lines of one request have in common.

    Raises:
        ValueError: It is no row as this program writes it.
    """
    match json.loads(line):
        case {"model": model, "input": parameters}:
            return json.dumps([model, parameters], sort_keys=True)
        case _:
            msg = "it holds something else than rows"
            raise ValueError(msg)
