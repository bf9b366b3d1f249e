"""The sandbox with random faults, in a process of its own, and its record of sales.

A process of its own, so that the memory of the client is measured alone.
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
"""Faults that at most delay an answer."""
SENT_AGAIN: dict[str, Fault] = {
    "429": refusal(429),
    "429 in 200": refusal(429, inside_200=True),
    "503": refusal(503),
}
"""Faults after which a submit is sent again."""
REFUSED: dict[str, Fault] = {"400": refusal(400), "422": refusal(422, "C")}
"""Faults after which a submit has failed, and bought nothing."""
UNKNOWN: dict[str, Fault] = {
    "reset before": reset_before,
    "reset after": reset_after,
    "hang": hang,
    "hang after": hang_after,
    "cut headers": cut_headers,
    "cut body": cut_body,
    "endless": endless(b" ", pause=0.05),  # a fast one would show in the client's peak memory
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
"""Faults after which a client cannot know whether a submit bought a task."""
FAULTS = HARMLESS | SENT_AGAIN | REFUSED | UNKNOWN


@attrs.frozen
class ServerOptions:
    """How often the server fails, and with which seed."""

    fault_rate: float
    """The share of the requests that get a fault, 0 to 1."""
    failure_rate: float
    """The share of the tasks that fail, 0 to 1."""
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
    """The server's record of a batch."""

    sold: dict[str, list[Sale]]
    """Sales by prompt."""
    received: Counter[str]
    """Requests received, by call."""
    struck: dict[str, Counter[str]]
    """How often each fault was applied, by call."""


@attrs.frozen
class Server:
    """The handle of the server in this process."""

    url: str
    api_key: str
    _pipe: "Connection[Any, Any]" = attrs.field(repr=False)

    def end(self) -> Ledger:
        """Stop it, and return its record."""
        self._pipe.send("end")
        ledger: Ledger = self._pipe.recv()
        return ledger


@contextlib.contextmanager
def serve(options: ServerOptions) -> Generator[Server]:
    """Run the server during the body of `with`."""
    context = multiprocessing.get_context("spawn")  # inherits nothing of this process
    pipe, child_pipe = context.Pipe()
    process = context.Process(target=_run_server, args=(child_pipe, options))
    process.start()
    child_pipe.close()
    try:
        url, api_key = pipe.recv()
        yield Server(url, api_key, pipe)
    finally:
        pipe.close()  # ends the server
        process.join()


# --- In the server process ------------------------------------------------------------------


def _run_server(pipe: "Connection[Any, Any]", options: ServerOptions) -> None:
    with contextlib.suppress(KeyboardInterrupt):  # the parent process got it too
        asyncio.run(_serve(pipe, options))


async def _serve(pipe: "Connection[Any, Any]", options: ServerOptions) -> None:
    sandbox = Sandbox(
        seed=options.seed, seconds=SECONDS, failure_rate=options.failure_rate, price=0.0
    )
    faults = {call: RandomFault.of(call, options.seed) for call in ("submit", "status")}
    for call, fault in faults.items():
        sandbox.inject(fault, call, rate=options.fault_rate)
    async with sandbox:
        pipe.send((sandbox.url, sandbox.api_key))
        await anyio.to_thread.run_sync(pipe.poll, None)
    struck = {call: fault.struck for call, fault in faults.items()}
    with contextlib.suppress(EOFError, BrokenPipeError):  # the parent process closed the pipe
        pipe.recv()
        pipe.send(Ledger(_sold(sandbox), sandbox.received, struck))


@attrs.define(eq=False)
class RandomFault:
    """Applies a random fault to each request, and counts them."""

    _random: random.Random
    struck: Counter[str] = attrs.field(init=False, factory=Counter[str])

    @classmethod
    def of(cls, call: str, seed: int) -> "RandomFault":
        """Create the fault for a call, with random numbers of its own."""
        return cls(random.Random(f"{call} {seed}"))

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Apply a random fault."""
        name = self._random.choice(list(FAULTS))
        self.struck[name] += 1
        return await FAULTS[name](request, handler)


def _sold(sandbox: Sandbox) -> dict[str, list[Sale]]:
    sold = defaultdict[str, list[Sale]](list)
    for task in sandbox.tasks.values():
        sold[task.input["prompt"]].append(Sale(task.task_id, task.failure is not None))
    return dict(sold)
