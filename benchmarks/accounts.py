"""The books of both sides, compared: what the server sold, and what the caller was told."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

import attrs

from benchmarks.server import SENT_AGAIN, UNKNOWN, Ledger, Sale
from vidgo_async import Outcome

OK = "ok"
FAILED = "TaskFailedError"
NOT_KNOWN = "SubmissionUnknownError"


def prompt(index: int) -> str:
    """Name a request, so that both sides mean the same one."""
    return f"soak {index}"


@attrs.frozen
class Entry:
    """What the caller was told of one request."""

    index: int
    kind: str
    """`ok`, or the name of the error."""
    task_id: str | None

    @classmethod
    def of(cls, outcome: Outcome) -> "Entry":
        """Note an outcome."""
        kind = OK if outcome.ok else type(outcome.error).__name__
        return cls(outcome.index, kind, outcome.task.task_id if outcome.task else None)

    def contradicts(self, sales: Sequence[Sale]) -> bool:
        """Tell whether the id, or the end, is another than the server's."""
        if self.task_id not in {None, *(sale.task_id for sale in sales)}:
            return True
        return {OK: True, FAILED: False}.get(self.kind) in {sale.failed for sale in sales}


def write(book: TextIO, entry: Entry) -> None:
    """Put an entry into the caller's book, a file."""
    book.write(f"{entry.index} {entry.kind} {entry.task_id or ''}\n")


def read(book: TextIO) -> Iterator[Entry]:
    """Read the caller's book from its beginning."""
    book.seek(0)
    for line in book:
        index, kind, task_id = line[:-1].split(" ", 2)
        yield Entry(int(index), kind, task_id or None)


@attrs.define
class Accounts:
    """The books of both sides, added up."""

    requests: int
    ledger: Ledger
    kinds: Counter[str] = attrs.field(init=False, factory=Counter[str])
    """The outcomes, by kind."""
    with_id: int = 0
    """Outcomes that name their task."""
    behind_unknown: int = 0
    """Sales that the caller was told of as possible."""
    lost: int = 0
    """Sales that the caller was told nothing of, beside those in `unclaimed`."""
    contradictions: int = 0
    """Outcomes with an id that was not sold to them, or another end than the server's."""
    seen: set[int] = attrs.field(init=False, factory=set[int])

    @classmethod
    def settled(cls, requests: int, book: Iterable[Entry], ledger: Ledger) -> "Accounts":
        """Compare the books."""
        accounts = cls(requests, ledger)
        for entry in book:
            accounts._add(entry)
        return accounts

    def _add(self, entry: Entry) -> None:
        sales = self.ledger.sold.get(prompt(entry.index), [])
        self.seen.add(entry.index)
        self.kinds[entry.kind] += 1
        self.contradictions += entry.contradicts(sales)
        if entry.task_id is not None:
            self.with_id += 1
        elif entry.kind == NOT_KNOWN:
            self.behind_unknown += len(sales)
        else:
            self.lost += len(sales)

    @property
    def outcomes(self) -> int:
        """How many outcomes there were."""
        return self.kinds.total()

    @property
    def sold(self) -> int:
        """How many tasks the server sold."""
        return sum(len(sales) for sales in self.ledger.sold.values())

    @property
    def sold_twice(self) -> int:
        """How many requests were sold more than one task."""
        return sum(len(sales) > 1 for sales in self.ledger.sold.values())

    @property
    def owed_unknown(self) -> int:
        """How many submits were struck by what must end them as unknown."""
        return sum(self.ledger.struck["submit"][name] for name in UNKNOWN)

    @property
    def rightly_sent_again(self) -> int:
        """How many submits were struck by what certainly buys nothing."""
        return sum(self.ledger.struck["submit"][name] for name in SENT_AGAIN)
