"""A state machine over the ledger, with a crash between any two statements."""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.support.sessions import foxes
from vidgo_async import (
    InvalidRequestError,
    JournalError,
    SubmissionUnknownError,
    Task,
    TaskFailedError,
)
from vidgo_async.journal.ledger import Ledger

if TYPE_CHECKING:
    from vidgo_async.journal.rows import Row

REQUESTS = 2
PARTS = 5


class LedgerMachine(RuleBasedStateMachine):
    """Runs claim rows, POST, record and die in any order; a model server counts what was sold."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.copies = 0
        self.sold: dict[str, list[str]] = {}
        """Task ids by prompt, as the server knows them."""
        self.forgotten: dict[str, int] = {}
        """How often a user said that a prompt has no task, though it had."""
        self.failed: set[str] = set()

    def run(self, awaitable: Any) -> Any:
        return self.runner.run(awaitable)

    @initialize()
    def begin(self) -> None:
        self.path = self.folder / "0.vidgo"
        self.open()

    def open(self) -> None:
        self.ledger = Ledger(self.path, new_key=False)
        self.run(self.ledger.open())
        self.rows: dict[int, Row] = {}

    @rule(number=st.integers(0, REQUESTS - 1))
    def claim(self, number: int) -> None:
        if number not in self.rows:
            self.rows[number] = self.run(self.ledger.claim(foxes(REQUESTS)[number]))

    @rule(
        number=st.integers(0, REQUESTS - 1),
        answer=st.sampled_from(["bought", "lost", "refused", "unknown", "unwritten", "never"]),
        retry_failed=st.booleans(),
    )
    def post(self, number: int, answer: str, retry_failed: bool) -> None:
        """Send what is to be sent, and let the server and the disk do what they do."""
        self.claim(number)
        row = self.rows[number]
        if row.state not in {"planned", "ended"}:
            return
        try:
            if self.run(row.recall(retry_failed=retry_failed)) is not None:
                return
        except TaskFailedError:
            return
        self.run(row.sending())
        prompt = row.request.input["prompt"]
        if answer == "refused":
            self.run(row.not_sent(InvalidRequestError("no", 400)))
            return
        task_id = f"task-{prompt}-{len(self.sold.get(prompt, []))}"
        if answer != "never":
            self.sold.setdefault(prompt, []).append(task_id)
        if answer == "bought":
            self.run(row.bought(Task(task_id, "running")))
        elif answer == "unknown":
            self.run(row.unknown(SubmissionUnknownError("a task may exist", row.request)))
        else:
            self.crash()

    @rule(number=st.integers(0, REQUESTS - 1), status=st.sampled_from(["finished", "failed"]))
    def end(self, number: int, status: str) -> None:
        row = self.rows.get(number)
        if row is not None and row.state == "bought" and row.task is not None:
            if status == "failed":
                self.failed.add(row.task.task_id)
            self.run(row.ended(Task(row.task.task_id, status)))
            row.task = Task(row.task.task_id, status)

    @rule()
    def crash(self) -> None:
        """Die: what is on disk now is all that is left."""
        self.copies += 1
        path = self.folder / f"{self.copies}.vidgo"
        for end in ("", "-wal"):
            source = self.path.with_name(self.path.name + end)
            if source.exists():
                shutil.copy(source, path.with_name(path.name + end))
        dead, self.path = self.ledger, path
        self.run(dead._store.close())
        self.open()

    @rule(number=st.integers(0, REQUESTS - 1), finds=st.booleans())
    def decide(self, number: int, finds: bool) -> None:
        """The user looks into the console, and may overlook a task there."""
        for entry in self.run(self.ledger.entries(None)):
            prompt = entry.request.input["prompt"]
            if entry.state != "unknown" or prompt != f"fox {number}":
                continue
            known = self.sold.get(prompt, [])
            if known and finds:
                self.run(self.ledger.adopt(entry, known[-1]))
            else:
                self.run(self.ledger.forget(entry))
                self.forgotten[prompt] = self.forgotten.get(prompt, 0) + bool(known)
            self.rows.pop(number, None)
            self.restart()
            return

    def restart(self) -> None:
        """Begin another run."""
        self.run(self.ledger.close())
        self.open()

    @rule(number=st.integers(0, REQUESTS - 1))
    def send_from_an_old_run(self, number: int) -> None:
        """A row that is not planned is never sent, whatever this side believes of it."""
        row = self.rows.get(number)
        if row is not None and row.state != "planned":
            try:
                self.run(row.sending())
            except JournalError:
                return
            raise AssertionError(row.state)

    @invariant()
    def nothing_is_bought_twice(self) -> None:
        for prompt, ids in self.sold.items():
            lost = self.forgotten.get(prompt, 0)
            assert len([id_ for id_ in ids if id_ not in self.failed]) <= 1 + lost

    @invariant()
    def nothing_is_lost(self) -> None:
        """What was sold is known by its id, or its row is unknown, or somebody overlooked it."""
        if not hasattr(self, "ledger"):
            return
        entries = self.run(self.ledger.entries(None))
        for prompt, ids in self.sold.items():
            (entry,) = [each for each in entries if each.request.input["prompt"] == prompt]
            is_known = entry.task is not None and entry.task.task_id in ids
            is_open = entry.state in {"unknown", "sending"}
            assert is_known or is_open or self.forgotten.get(prompt) or ids[-1] in self.failed

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger._posts = 0
            self.run(self.ledger.close())
        self.runner.close()
        shutil.rmtree(self.folder)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_ledger(part: int) -> None:
    """A part of the runs: all in one test take a minute on a busy machine."""

    class Machine(LedgerMachine):
        pass

    if "CI" in os.environ:  # where the runs of all parts would be the same
        seed(part)(Machine)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=(200 if "CI" in os.environ else 60) // PARTS,
            stateful_step_count=20,
            deadline=None,
        ),
    )
