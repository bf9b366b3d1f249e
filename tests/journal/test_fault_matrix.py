"""The fault matrix once more, with a journal: what it says after each fault, and what a next run does."""

from pathlib import Path

import anyio
import pytest

from tests.support.sessions import FOX, open_session
from tests.whole.test_fault_matrix import BOUGHT, ENDED_AT_ONCE, REFUSED, SUBMITS, UNCLEAR
from vidgo_async import Journal, Outcome, RetryPolicy, SubmissionUnknownError
from vidgo_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.virtual_time

CASES = {**SUBMITS, **ENDED_AT_ONCE}


async def run(sandbox: Sandbox, path: Path) -> Outcome:
    patient = RetryPolicy(timeout=100.0)
    async with open_session(sandbox, request_timeout=10.0, retry=patient) as vidgo:
        (outcome,) = [each async for each in vidgo.generate_many([FOX], journal=path)]
        return outcome


@pytest.mark.parametrize(("row", "fault"), CASES.values(), ids=CASES)
async def test_the_next_run_knows(row: str, fault: Fault, tmp_path: Path) -> None:
    """After a clear answer the next run goes on, after an unclear one it waits for a word."""
    path = tmp_path / "foxes.vidgo"
    async with Sandbox() as sandbox:
        sandbox.inject(fault)
        first = await run(sandbox, path)
        async with Journal(path) as journal:
            (entry,) = await journal.entries()
        second = await run(sandbox, path)
        await anyio.sleep(30)  # what was sold late is sold now

        if row == UNCLEAR:
            assert entry.state == "unknown"
            assert isinstance(first.error, SubmissionUnknownError)
            assert isinstance(second.error, SubmissionUnknownError)
            assert second.error.sent_at == first.error.sent_at
            assert sandbox.sold <= 1
            assert sandbox.received["submit"] == 1
            return
        assert second.ok
        assert sandbox.sold == 1
        if row == REFUSED:
            assert (entry.state, entry.task, first.ok) == ("planned", None, False)
            assert str(entry.error) == str(first.error)
        else:
            assert (entry.state, first.task) == ("ended", second.task)
            assert sandbox.received["submit"] == (1 if row == BOUGHT else 2)
