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

Under pytest, `pytest_plugins = ["vidgo_async.sandbox.fixtures"]` in a `conftest.py` brings the
fixture `vidgo_sandbox`, which does all that, for tests of any kind: the server has a thread of
its own.

`sandbox.inject(fault, call="submit")` lets a fault strike the next submit. What may go wrong:

- Nothing is sold by `reset_before`, `hang`, `endless()`, `answer(...)` and `refusal(...)`:
  `answer(502, "<h1>Bad Gateway")`, `answer(200, [])`, `answer(200, b"{", {"Content-Encoding":
  "gzip"})`, `answer(307, headers={"Location": "http://other.example/"})` send anything at all,
  `refusal(429, "D", headers={"Retry-After": "-1"})` says no in any of the API's own ways, and
  `refusal(402, inside_200=True)` hides it in a success.
- The task is sold, and the answer does not arrive as it should: `reset_after`, `hang_after`,
  `cut_headers`, `cut_body`, `gzipped`, `changed(status="dreaming", files=None,
  progress=DROPPED)`, and `after(fault)` for any of the first kind, such as
  `after(answer(502))` for a gateway that lost it.
- `slow(60)` is late with all of it, and `after(slow(60))` only with the answer. Any coroutine
  function like these is a fault too.
- `async with sandbox.refusing():` is a server that is down; `Sandbox(keepalive=0.2)` soon
  closes idle connections.

Whom it strikes: `times=3` the next three, `times=None` all, `skip=2` not before the third,
`task_id=...` this task's, and `rate=0.1` every tenth or so, the same ones for the same seed.

What to look at: `sandbox.sold`, `sandbox.tasks` and `sandbox.credits` for the account,
`sandbox.received` for how many requests came in, and `sandbox.calls` for what became of each:
its name, task, fault and status, and whether it was `sold`.

`Sandbox(failure_rate=0.2, seed=7)` lets the same tasks fail in each run, and
`Sandbox(credits=3)` runs out of credits after two.

`python -m vidgo_async.sandbox` serves it on a port, for apps that run elsewhere.
"""

from vidgo_async.sandbox.answers import DROPPED, Shape, answer, changed, gzipped, refusal
from vidgo_async.sandbox.calls import Call
from vidgo_async.sandbox.faults import (
    Fault,
    after,
    cut_body,
    cut_headers,
    endless,
    hang,
    hang_after,
    reset_after,
    reset_before,
    slow,
)
from vidgo_async.sandbox.server import REALISTIC, Sandbox
from vidgo_async.sandbox.world import SoldTask

__all__ = [
    "DROPPED",
    "REALISTIC",
    "Call",
    "Fault",
    "Sandbox",
    "Shape",
    "SoldTask",
    "after",
    "answer",
    "changed",
    "cut_body",
    "cut_headers",
    "endless",
    "gzipped",
    "hang",
    "hang_after",
    "refusal",
    "reset_after",
    "reset_before",
    "slow",
]
