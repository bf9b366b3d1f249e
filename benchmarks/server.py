"""The sandbox in a process of its own, breaking at random, that tells at the end what it sold.

A process of its own, so that what the client holds is measured alone.
"""

import asyncio
import contextlib
import multiprocessing
import random
from collections import Counter, defaultdict
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import attrs
from aiohttp import web
from aiohttp.typedefs import Handler

from vidgo_async.sandbox import (
    DROPPED,
    Fault,
    Sandbox,
    after,
    answer,
    changed,
    cut_body,
    cut_headers,
    endless,
    gzipped,
    hang,
    hang_after,
    refusal,
    reset_after,
    reset_before,
    slow,
)

if TYPE_CHECKING:
    from multiprocessing.connection import Connection  # generic only for type checkers

SECONDS = (0.05, 0.3)
"""The shortest and the longest generation."""

HARMLESS: dict[str, Fault] = {"gzip": gzipped, "slow": slow(0.1)}
"""These delay at most."""
SENT_AGAIN: dict[str, Fault] = {
    "429": refusal(429),
    "429 in 200": refusal(429, inside_200=True),
    "503": refusal(503),
}
"""After these a submit is sent again."""
REFUSED: dict[str, Fault] = {"400": refusal(400), "422": refusal(422, "C")}
"""After these a submit has failed, and bought nothing."""
UNKNOWN: dict[str, Fault] = {
    "reset before": reset_before,
    "reset after": reset_after,
    "hang": hang,
    "hang after": hang_after,
    "cut headers": cut_headers,
    "cut body": cut_body,
    "endless": endless(b" ", pause=0.05),  # fast ones would show in the client's peak memory
    "302": answer(302, headers={"Location": "http://127.0.0.1:9/"}),
    "408": refusal(408, "D"),
    "500": refusal(500),
    "500 in 200": refusal(500, inside_200=True),
    "502": answer(502, "<html>Bad Gateway</html>"),
    "502 after": after(answer(502, "<html>Bad Gateway</html>")),
    "empty": answer(200),
    "broken JSON": answer(200, '{"code": 200, "da'),
    "array": answer(200, []),
    "no id": changed(task_id=DROPPED),
}
"""After these nobody can know whether a submit bought a task."""
FAULTS = HARMLESS | SENT_AGAIN | REFUSED | UNKNOWN


@attrs.frozen
class Habits:
    """How the server behaves."""

    fault_rate: float
    """The part of the requests that a fault strikes, 0 to 1."""
    failure_rate: float
    """The part of the tasks that fail, 0 to 1."""
    seed: int
    """Decides the faults, the failures and the generation times, in order of arrival."""


@attrs.frozen
class Sale:
    """One task that was sold."""

    task_id: str
    failed: bool
    """Whether it ends without a video."""


@attrs.frozen
class Ledger:
    """What the server knows in the end."""

    sold: dict[str, list[Sale]]
    """What was sold, by prompt."""
    received: Counter[str]
    """The requests that came in, by call."""
    struck: dict[str, Counter[str]]
    """How often each fault struck, by call."""


@attrs.frozen
class Server:
    """The server as its client sees it."""

    url: str
    api_key: str
    _line: "Connection[Any, Any]" = attrs.field(repr=False)

    def end(self) -> Ledger:
        """Stop it, and get its books."""
        self._line.send("end")
        ledger: Ledger = self._line.recv()
        return ledger


@contextlib.contextmanager
def served(habits: Habits) -> Generator[Server]:
    """Run the server during the body of `with`."""
    context = multiprocessing.get_context("spawn")  # nothing of this process is in it
    line, its_line = context.Pipe()
    process = context.Process(target=_process, args=(its_line, habits))
    process.start()
    its_line.close()
    try:
        url, api_key = line.recv()
        yield Server(url, api_key, line)
    finally:
        line.close()  # which ends it too
        process.join()


# --- In its process -------------------------------------------------------------------------


def _process(line: "Connection[Any, Any]", habits: Habits) -> None:
    with contextlib.suppress(KeyboardInterrupt):  # the one who started it got it too
        asyncio.run(_serve(line, habits))


async def _serve(line: "Connection[Any, Any]", habits: Habits) -> None:
    sandbox = Sandbox(
        seed=habits.seed, seconds=SECONDS, failure_rate=habits.failure_rate, price=0.0
    )
    misfortunes = {call: Misfortune.of(call, habits.seed) for call in ("submit", "status")}
    for call, misfortune in misfortunes.items():
        sandbox.inject(misfortune, call, rate=habits.fault_rate)
    async with sandbox:
        line.send((sandbox.url, sandbox.api_key))
        await anyio.to_thread.run_sync(line.poll, None)
    struck = {call: misfortune.struck for call, misfortune in misfortunes.items()}
    with contextlib.suppress(EOFError, BrokenPipeError):  # nobody wants to know any more
        line.recv()
        line.send(Ledger(_sold(sandbox), sandbox.received, struck))


@attrs.define(eq=False)
class Misfortune:
    """A fault that is another one each time, and counts them."""

    _random: random.Random
    struck: Counter[str] = attrs.field(init=False, factory=Counter[str])

    @classmethod
    def of(cls, call: str, seed: int) -> "Misfortune":
        """Make the one for a call; each has luck of its own."""
        return cls(random.Random(f"{call} {seed}"))

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Do what chance wants."""
        name = self._random.choice(list(FAULTS))
        self.struck[name] += 1
        return await FAULTS[name](request, handler)


def _sold(sandbox: Sandbox) -> dict[str, list[Sale]]:
    sold = defaultdict[str, list[Sale]](list)
    for task in sandbox.tasks.values():
        sold[task.input["prompt"]].append(Sale(task.task_id, task.failure is not None))
    return dict(sold)
