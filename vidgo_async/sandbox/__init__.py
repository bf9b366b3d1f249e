"""A complete Vidgo server for one machine, to test apps against.

It answers like the real one and sends real videos, takes milliseconds and costs nothing,
breaks in whatever way a test asks for, and counts what it sold:

    from vidgo_async import GrokImagine, SubmissionUnknownError, VidgoSession
    from vidgo_async.sandbox import Sandbox, reset_after

    async def test_lost_answer_buys_once():
        async with Sandbox(seconds=(0.01, 0.02)) as sandbox:
            sandbox.inject(reset_after, call="submit")
            async with VidgoSession(base_url=sandbox.url, api_key=sandbox.api_key) as vidgo:
                with pytest.raises(SubmissionUnknownError):
                    await vidgo.submit(GrokImagine(prompt="a fox in snow"))
            assert sandbox.sold == 1

An app that reads `VIDGO_BASE_URL` and `VIDGO_API_KEY` needs no change at all:

    monkeypatch.setenv("VIDGO_BASE_URL", sandbox.url)
    monkeypatch.setenv("VIDGO_API_KEY", sandbox.api_key)

What to ask for and what to look at:

- `Sandbox(failure_rate=0.2, seed=7)` lets the same tasks fail in each run, and
  `Sandbox(credits=3)` runs out of credits after two.
- `sandbox.inject(answer(429, headers={"Retry-After": "2"}), call="status", times=3)` answers
  the next three polls itself; `reset_before`, `reset_after`, `hang`, `hang_after` and
  `cut_body` break connections, and any coroutine function like them is a fault too.
- `async with sandbox.refusing():` is a server that is down.
- `sandbox.sold`, `sandbox.tasks`, `sandbox.received` and `sandbox.credits` tell what happened.

`python -m vidgo_async.sandbox` serves it on a port, for apps that run elsewhere.
"""

from vidgo_async.sandbox.faults import (
    Fault,
    answer,
    cut_body,
    hang,
    hang_after,
    reset_after,
    reset_before,
)
from vidgo_async.sandbox.server import REALISTIC, Sandbox
from vidgo_async.sandbox.world import SoldTask

__all__ = [
    "REALISTIC",
    "Fault",
    "Sandbox",
    "SoldTask",
    "answer",
    "cut_body",
    "hang",
    "hang_after",
    "reset_after",
    "reset_before",
]
