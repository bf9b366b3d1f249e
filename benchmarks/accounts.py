"""What the server sold and what the caller was told, compared; the caller's part is a file."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

import attrs

from benchmarks.server import SENT_AGAIN, UNKNOWN, Sale
from benchmarks.server import Ledger as ServerLedger
from tests.support.ledger import Differences, Ledger
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
        """Make the entry of an outcome."""
        kind = OK if outcome.ok else type(outcome.error).__name__
        return cls(outcome.index, kind, outcome.task.task_id if outcome.task else None)

    def note_in(self, ledger: Ledger) -> None:
        """Note what `Ledger.note` notes of the outcome itself."""
        ledger.outcomes[prompt(self.index)] += 1
        if self.task_id is not None:
            ledger.tasks[self.task_id] += 1
        elif self.kind == NOT_KNOWN:
            ledger.unknown[prompt(self.index)] += 1

    def contradicts(self, sales: Sequence[Sale]) -> bool:
        """Return whether the id, or the end, is another than the server's."""
        if self.task_id not in {None, *(sale.task_id for sale in sales)}:
            return True
        return {OK: True, FAILED: False}.get(self.kind) in {sale.failed for sale in sales}


def write(file: TextIO, entry: Entry) -> None:
    """Add an entry to the caller's file."""
    file.write(f"{entry.index} {entry.kind} {entry.task_id or ''}\n")


def read(file: TextIO) -> Iterator[Entry]:
    """Read the caller's file from its beginning."""
    file.seek(0)
    for line in file:
        index, kind, task_id = line[:-1].split(" ", 2)
        yield Entry(int(index), kind, task_id or None)


@attrs.frozen
class Accounts:
    """Both sides, compared."""

    requests: int
    server: ServerLedger
    caller: Ledger
    kinds: Counter[str]
    """The outcomes, by kind."""
    contradictions: int
    """Outcomes with an id that was not sold to them, or another end than the server's."""
    differences: Differences

    @classmethod
    def compare(cls, requests: int, entries: Iterable[Entry], server: ServerLedger) -> "Accounts":
        """Compare the caller's entries with what the server says in the end."""
        caller, kinds, contradictions = Ledger(), Counter[str](), 0
        for entry in entries:
            entry.note_in(caller)
            kinds[entry.kind] += 1
            contradictions += entry.contradicts(server.sold.get(prompt(entry.index), ()))
        sold = {name: [sale.task_id for sale in sales] for name, sales in server.sold.items()}
        return cls(requests, server, caller, kinds, contradictions, caller.compare(sold))

    @property
    def complete(self) -> bool:
        """Whether each request has exactly one outcome."""
        return self.caller.outcomes == Counter(map(prompt, range(self.requests)))

    @property
    def outcomes(self) -> int:
        """How many outcomes there were."""
        return self.kinds.total()

    @property
    def with_id(self) -> int:
        """How many outcomes name their task."""
        return self.caller.tasks.total()

    @property
    def sold(self) -> int:
        """How many tasks the server sold."""
        return self._sales(self.server.sold)

    @property
    def behind_unknown(self) -> int:
        """How many sales the caller was told of as possible."""
        return self._sales(self.caller.unknown)

    @property
    def lost(self) -> int:
        """How many sales no outcome tells of; those in `unclaimed` are among them."""
        return self._sales(self.differences.lost)

    @property
    def sent_again(self) -> int:
        """How many submits met a fault after which they are sent again."""
        return sum(self.server.struck["submit"][name] for name in SENT_AGAIN)

    @property
    def unknown_at_least(self) -> int:
        """How many submits met a fault that makes their outcome unknown."""
        return sum(self.server.struck["submit"][name] for name in UNKNOWN)

    def _sales(self, prompts: Iterable[str]) -> int:
        return sum(len(self.server.sold.get(name, ())) for name in prompts)
