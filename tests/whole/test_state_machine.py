"""A state machine that submits, waits, cancels and closes in any order, while the server breaks.

Hypothesis interleaves the calls of a session, the faults of a sandbox, cancellations and time,
and every example ends with the accounts. The sandbox knows what it sold; a `Ledger` knows what
callers were given and what the sessions say is unclaimed. Prompts are unique, so each sale has
exactly one owner, by name: a caller, an error, `unclaimed`, or one `SubmissionUnknownError`.

A `FaultScript` in the sandbox plays the faults, and records what a client cannot hide: a prompt
that comes a second time although the first may have been sold, and too many requests at once.
"""

import asyncio
import contextlib
import errno
import gc
import itertools
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from unittest import mock

import anyio
import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.fault_script import CLEAR, FAULTS, FaultScript
from tests.support.ledger import Differences, Ledger
from tests.support.limits import AtOnce, FixedWindow
from tests.support.sessions import open_session
from vidgo_async import (
    Batch,
    FixedPolling,
    GrokImagine,
    NotFoundError,
    SessionClosedError,
    Task,
    TaskTimeoutError,
    VidgoError,
    VidgoSession,
)
from vidgo_async._files.part_file import PartFile
from vidgo_async.sandbox import Sandbox, jumping_loop

STUCK = 2000.0
"""Seconds in which every call must have ended, once nothing breaks any more."""
CALM = 70.0
"""Seconds after which no 429 and no POST of a caller who left is felt any more."""


# --- Strategies -------------------------------------------------------------------------------

PICKS = st.integers(0, 99)
COUNTS = st.integers(1, 6)
TIMEOUTS = st.sampled_from([900.0, None, 0.1, 3.0, 20.0])
OPTIONS = st.fixed_dictionaries(
    {"max_in_flight": COUNTS, "timeout": TIMEOUTS, "save": st.booleans()}
)
STREAMS = st.sampled_from(["list", "stream", "broken"])
PLANS = st.lists(st.sampled_from([*FAULTS]), max_size=3)


@attrs.frozen
class Scene:
    """What surrounds the beginning of a call."""

    faults: Sequence[str] = ()
    """What the next submits meet."""
    within: float | None = None
    """Seconds of an anyio scope round the call."""
    seconds: float = 0.0
    iterations: int = 0
    """What passes after it."""


SECONDS = st.sampled_from([0.0, 0.0, 0.1, 1.0, 5.0, 30.0, 100.0])
ITERATIONS = st.integers(0, 20)
LIMITS = st.sampled_from([None, None, 0.0, 0.01, 2.0, 12.0])
SCENES = st.builds(Scene, faults=PLANS, within=LIMITS, seconds=SECONDS, iterations=ITERATIONS)


@attrs.frozen(eq=False)
class Call:
    """A call under way, and how to cancel it."""

    task: asyncio.Task[None]
    scope: anyio.CancelScope

    def cancel(self, how: str) -> None:
        """Cancel it as asyncio does, or as anyio does."""
        if how == "native":
            self.task.cancel()
        elif how == "scope":
            self.task.get_loop().call_soon(self.scope.cancel)


# --- The machine ----------------------------------------------------------------------------


class Machine(RuleBasedStateMachine):
    """One sandbox, its callers, and one session after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=jumping_loop)
        self.loop: Any = self.runner.get_loop()
        self.loop_errors: list[object] = []
        self.loop.set_exception_handler(lambda _, context: self.loop_errors.append(context))
        self.hook, sys.unraisablehook = (
            sys.unraisablehook,
            lambda bad: self.loop_errors.append(str(bad)),
        )
        self.script, self.ledger, self.numbers = FaultScript(), Ledger(), itertools.count()
        self.calls: list[Call] = []
        self.kept: list[Batch] = []
        self.cancelled: list[asyncio.Task[None]] = []
        """Kept with their tracebacks, and so with all that their frames hold."""
        self.sessions: list[VidgoSession] = []
        self.alive: set[VidgoSession] = set()
        self.outage: AbstractAsyncContextManager[None] | None = None
        self.was_down = self.planned_refusals = False
        self.folder = tempfile.TemporaryDirectory()
        self.disk_is_full = False
        self.disk = mock.patch.object(PartFile, "write", self._writing(PartFile.write))
        self.disk.start()

    @initialize(
        seed=st.integers(0, 9),
        limit=st.integers(1, 4),
        ending=st.sampled_from(["await", "native", "scope", "close"]),
        faulty_policy=st.booleans(),
        server_limit=st.sampled_from(["none", "none", "window", "at once"]),
    )
    def begin(
        self, seed: int, limit: int, ending: str, faulty_policy: bool, server_limit: str
    ) -> None:
        """Start a server and open a session; choose how all calls end at last."""
        self.limit, self.ending = limit, ending
        self.policy = FaultyPolicy() if faulty_policy else FixedPolling(4.0)
        self.sandbox = Sandbox(seed=seed, seconds=(1, 40), failure_rate=0.2)
        self.runner.run(self.sandbox.__aenter__())
        self.sandbox.inject(self.script, call=None, times=None)
        if server_limit == "window":
            self.script.server_limit = FixedWindow(3, 10.0)
        elif server_limit == "at once":
            self.script.server_limit = AtOnce(self.sandbox, 2)
        self._open()

    # --- What callers do --------------------------------------------------------------------

    @rule(scene=SCENES)
    def submit(self, scene: Scene) -> None:
        """Buy one task."""
        vidgo, (order,) = self.vidgo, self._orders(1)

        async def buy() -> None:
            self.ledger.note(await vidgo.submit(order))

        self._start(buy, scene)

    @rule(scene=SCENES, count=COUNTS)
    def submit_many(self, scene: Scene, count: int) -> None:
        """Buy some tasks together."""
        vidgo, orders = self.vidgo, self._orders(count)

        async def buy() -> None:
            self.ledger.note(*await vidgo.submit_many(orders))

        self._start(buy, scene)

    @rule(scene=SCENES, timeout=TIMEOUTS, bug=st.booleans())
    def generate(self, scene: Scene, timeout: float | None, bug: bool) -> None:
        """Buy one task and wait for it; the caller's own callback may fail."""
        vidgo, (order,) = self.vidgo, self._orders(1)

        async def buy() -> None:
            update = _fail if bug else None
            self.ledger.note(await vidgo.generate(order, timeout=timeout, on_update=update))

        self._start(buy, scene)

    @rule(
        scene=SCENES, count=COUNTS, kind=STREAMS, stop=COUNTS, block=st.booleans(), options=OPTIONS
    )
    def generate_many(
        self, scene: Scene, count: int, kind: str, stop: int, block: bool, options: dict[str, Any]
    ) -> None:
        """Run a batch in a loop that may break, or in a block that may end early."""
        vidgo, orders = self.vidgo, self._stream(count, kind)
        if options.pop("save"):
            options["download_to"] = self.folder.name

        async def inline() -> None:
            left = stop
            async for outcome in vidgo.generate_many(orders, **options):
                self.ledger.note(outcome)
                left -= 1
                if not left:
                    break

        async def in_block() -> None:
            async with vidgo.generate_many(orders, **options) as batch:
                await self._read(batch, stop)

        self._start(in_block if block else inline, scene)

    @precondition(lambda self: self.is_open)
    @rule(count=COUNTS, kind=STREAMS, options=OPTIONS)
    def keep_a_batch(self, count: int, kind: str, options: dict[str, Any]) -> None:
        """Make a batch and keep it."""
        orders = self._stream(count, kind)
        if options.pop("save"):
            options["download_to"] = self.folder.name

        async def make() -> None:
            self.kept.append(self.vidgo.generate_many(orders, **options))

        self.runner.run(make())

    @precondition(lambda self: self.kept)
    @rule(scene=SCENES, pick=PICKS, count=COUNTS)
    def read_a_batch(self, scene: Scene, pick: int, count: int) -> None:
        """Take some outcomes of a batch that was kept."""
        batch = self.kept[pick % len(self.kept)]
        self._start(lambda: self._read(batch, count), scene)

    @precondition(lambda self: self.kept)
    @rule(pick=PICKS)
    def drop_a_batch(self, pick: int) -> None:
        """Forget a batch."""
        del self.kept[pick % len(self.kept)]

    @rule(scene=SCENES, picks=st.lists(PICKS, max_size=4), stop=COUNTS, timeout=TIMEOUTS)
    def wait(self, scene: Scene, picks: list[int], stop: int, timeout: float | None) -> None:
        """Wait for tasks in a loop that may break: each comes once, and as it ended."""
        vidgo, known = self.vidgo, [*self.sandbox.tasks, "never-sold"]
        ids = [known[pick % len(known)] for pick in picks]

        async def wait() -> None:
            ended: list[Task] = []
            # No other failure of a poll ends a wait (it would be noted as one of a submit).
            with contextlib.suppress(TaskTimeoutError, SessionClosedError, NotFoundError):
                if len(ids) == 1:
                    ended.append(await vidgo.wait(ids[0], timeout=timeout))
                async for task in vidgo.as_completed(ids, timeout=timeout):
                    ended.append(task)
                    if len(ended) == stop:
                        break
            assert len(ids) == 1 or len(ended) == len({task.task_id for task in ended})
            for task in ended:
                assert task.done
                assert task.failed == bool(self.sandbox.tasks[task.task_id].failure)

        self._start(wait, scene)

    @rule(scene=SCENES)
    def poll(self, scene: Scene) -> None:
        """Poll one task, and ask for the balance."""
        vidgo, task_id = self.vidgo, [*self.sandbox.tasks, "never-sold"][0]

        async def poll() -> None:
            with contextlib.suppress(VidgoError):
                assert (await vidgo.balance()).credits <= 1000
                assert (await vidgo.get_task(task_id)).task_id == task_id

        self._start(poll, scene)

    @rule(pick=PICKS, how=st.sampled_from(["native", "scope"]))
    def cancel(self, pick: int, how: str) -> None:
        """Cancel a call at whatever point it is."""
        if running := [call for call in self.calls if not call.task.done()]:
            call = running[pick % len(running)]
            call.cancel(how)
            self.cancelled.append(call.task)

    @rule(scene=SCENES, reopen=st.booleans())
    def close(self, scene: Scene, reopen: bool) -> None:
        """Begin to close the session, whatever runs; perhaps open one more beside it."""
        vidgo, self.is_open = self.vidgo, False
        self._start(lambda: self._close(vidgo), scene)
        if reopen:
            self._open()

    @precondition(lambda self: not self.is_open)
    @rule()
    def open(self) -> None:
        """Open a session where there is none."""
        self._open()

    # --- Faults and time ----------------------------------------------------------------------

    @rule(faults=PLANS)
    def break_polls(self, faults: list[str]) -> None:
        """Let the next polls fail."""
        self.script.plans["status"].extend(faults)

    @rule(faults=PLANS)
    def break_files(self, faults: list[str]) -> None:
        """Let the file host fail: pages, nothing, cut files, links that are not there yet."""
        self.script.plans["file"].extend(faults)

    @rule()
    def fill_the_disk_or_not(self) -> None:
        """Let the disk take no more bytes, or take them again."""
        self.disk_is_full = not self.disk_is_full

    @rule()
    def refuse_or_not(self) -> None:
        """Take the server down, or bring it up again."""
        if self.outage is None:
            self.was_down = True
            self.outage = self.sandbox.refusing()
            self.runner.run(self.outage.__aenter__())
        else:
            self.runner.run(self._bring_up())

    @rule(seconds=st.sampled_from([1.0, 15.0, 25.0, 70.0]))
    def stand_still(self, seconds: float) -> None:
        """Let the clock go on while the loop does not: it is blocked, or the process stopped."""
        self.loop.advance(seconds)

    @rule(seconds=SECONDS, iterations=ITERATIONS)
    def let_time_pass(self, seconds: float, iterations: int) -> None:
        """Let a while go by."""
        self.runner.run(_pass(seconds, iterations))

    # --- What must hold ---------------------------------------------------------------------

    @invariant()
    def nothing_is_wrong(self) -> None:
        """Every call raised what it may, and neither the server nor the loop complains."""
        for call in self.calls:
            if call.task.done() and not call.task.cancelled():
                call.task.result()
        self.calls = [call for call in self.calls if not call.task.done()]
        assert not self.script.violations
        assert not self.loop_errors

    def teardown(self) -> None:
        """End everything, and compare both sides."""
        try:
            if self.sessions:
                self.runner.run(self._finish())
                assert not asyncio.all_tasks(self.loop)
                assert self.ledger.compare(self._sold()) == Differences()
                if len(self.sessions) == 1 and not self.planned_refusals:
                    # No tasks but those that the session knows hold the server's places.
                    assert self.ledger.unknown or not self.ledger.given_up
                if not self.was_down:  # or else any answer may be lost
                    # A POST that never came met a server that dropped the idle connection.
                    lost = {
                        last for one in self.ledger.unknown for last in self.script.posts[one][-1:]
                    }
                    assert not lost & CLEAR
            gc.collect()
            self.nothing_is_wrong()
        finally:
            sys.unraisablehook = self.hook
            self.disk.stop()
            self.runner.close()
            self.folder.cleanup()

    def _sold(self) -> dict[str, list[str]]:
        sold = defaultdict[str, list[str]](list)
        for task in self.sandbox.tasks.values():
            sold[task.input["prompt"]].append(task.task_id)
        return sold

    async def _finish(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_exit(self.sandbox.__aexit__)
            self.script.plans.clear()
            self.disk_is_full = False
            await self._bring_up()
            await self._end_calls()
            if self.is_open and self.ending != "close":
                await self._check_use()
            for vidgo in self.sessions:
                await self._close(vidgo)
                self.ledger.note(*vidgo.unclaimed)
            await asyncio.sleep(0.1)
            assert not self.sandbox._connections()

    async def _end_calls(self) -> None:
        if self.ending == "close":
            await self._close(self.vidgo)
        for call in self.calls:
            call.cancel(self.ending)
        if self.calls:
            _, stuck = await asyncio.wait([call.task for call in self.calls], timeout=STUCK)
            assert not stuck
        for batch in self.kept if self.ending == "await" else ():
            with contextlib.suppress(ZeroDivisionError, VidgoError):
                await self._read(batch, 1000)
        self.kept.clear()
        self.nothing_is_wrong()
        if self.ending != "close":
            self.cancelled.clear()
        gc.collect()

    async def _check_use(self) -> None:
        """Check that the session works, and that all of its slots are free."""
        await asyncio.sleep(CALM)
        limit, self.script.server_limit = self.script.server_limit, None
        self.ledger.note(*await self.vidgo.submit_many(self._orders(1)))  # closes the breaker
        self.script.most = 0
        self.script.plans["submit"].extend(["late"] * self.limit)
        self.ledger.note(*await self.vidgo.submit_many(self._orders(self.limit + 1)))
        assert limit is not None or self.script.most == self.limit

    # --- Helpers ------------------------------------------------------------------------------

    def _start(self, doing: Callable[[], Awaitable[None]], scene: Scene) -> None:
        async def call(scope: anyio.CancelScope) -> None:
            with scope:
                try:
                    await doing()
                except VidgoError as error:
                    self.ledger.note(error.with_traceback(None))
                except ZeroDivisionError:
                    pass

        async def begin() -> None:
            scope = anyio.move_on_after(scene.within)
            self.calls.append(Call(asyncio.create_task(call(scope)), scope))
            await _pass(scene.seconds, scene.iterations)

        self.planned_refusals = self.planned_refusals or "limited" in scene.faults
        self.script.plans["submit"].extend(scene.faults)
        self.runner.run(begin())

    def _open(self) -> None:
        self.vidgo = open_session(
            self.sandbox,
            max_concurrent_requests=self.limit,
            request_timeout=20.0,
            polling=self.policy,
        )
        self.runner.run(self.vidgo.__aenter__())
        runtime = self.vidgo._runtime
        assert runtime is not None
        for part in (runtime.submitter.backoff, runtime.poller._pacing):
            part._random.seed(0)  # the same jitter in each run
        self.sessions.append(self.vidgo)
        self.alive.add(self.vidgo)
        self.script.limit = self.limit * len(self.alive)
        self.is_open = True

    def _writing(self, write: Callable[[PartFile, Any], None]) -> Any:
        def on_disk(part: PartFile, chunks: Any) -> None:
            if self.disk_is_full:
                raise OSError(errno.ENOSPC, "No space left on device")
            write(part, chunks)

        return on_disk

    async def _close(self, vidgo: VidgoSession) -> None:
        await vidgo.aclose()
        self.alive.discard(vidgo)
        self.script.limit = self.limit * len(self.alive)

    async def _bring_up(self) -> None:
        outage, self.outage = self.outage, None
        if outage is not None:
            await outage.__aexit__(None, None, None)

    async def _read(self, batch: Batch, count: int) -> None:
        with contextlib.suppress(StopAsyncIteration):
            for _ in range(count):
                self.ledger.note(await anext(batch))

    def _orders(self, count: int) -> list[GrokImagine]:
        return [GrokImagine(prompt=f"fox {next(self.numbers)}") for _ in range(count)]

    def _stream(self, count: int, kind: str) -> Any:
        orders = self._orders(count)

        async def stream() -> AsyncIterator[GrokImagine]:
            for order in orders:
                await anyio.sleep(0.5)
                yield order

        def broken() -> Iterator[GrokImagine]:
            yield from orders
            raise ZeroDivisionError

        return {"list": lambda: orders, "stream": stream, "broken": broken}[kind]()


class FaultyPolicy:
    """A policy of the user's that fails for every third task."""

    def next_delay(self, task: Task, age: float | None) -> float:
        """Fail, or poll every four seconds."""
        if sum(task.task_id.encode()) % 3 == 0:
            raise ZeroDivisionError
        return 4.0


async def _pass(seconds: float, iterations: int) -> None:
    for _ in range(iterations):
        await asyncio.sleep(0)
    await asyncio.sleep(seconds)


def _fail(_: Task) -> None:
    raise ZeroDivisionError


def test_each_sale_has_one_owner() -> None:
    """Sold = given + in errors + `unclaimed`; nothing is bought twice, and nothing is left."""
    how = settings(
        max_examples=40, stateful_step_count=15, suppress_health_check=[HealthCheck.too_slow]
    )
    gc.freeze()  # what is there already need not be searched in every run
    try:
        run_state_machine_as_test(Machine, settings=how)
    finally:
        gc.unfreeze()


def test_three_429s_leave_the_session_usable() -> None:
    """A sequence that was found once: after it three submits at a time were never in flight."""

    def generate(scene: Scene, timeout: float | None, *, bug: bool) -> None:
        machine.generate(scene=scene, timeout=timeout, bug=bug)

    def generate_many(count: int, kind: str, scene: Scene, stop: int, **options: Any) -> None:
        block = options.pop("block")
        machine.generate_many(
            scene=scene, count=count, kind=kind, stop=stop, block=block, options=options
        )

    refused = ["refused", "refused", "empty"]
    machine = Machine()
    try:
        machine.begin(seed=6, limit=3, ending="await", faulty_policy=False, server_limit="none")
        machine.break_polls(faults=["cut_body", "hang"])
        generate(Scene(["limited"], within=0.01, seconds=30.0, iterations=5), None, bug=True)
        generate(Scene(iterations=19), 3.0, bug=False)
        machine.submit_many(count=2, scene=Scene(iterations=15))
        generate(Scene(refused, within=0.0, seconds=5.0, iterations=1), 900.0, bug=True)
        machine.cancel(how="scope", pick=95)
        faults = ["reset_before", "not_found", "limited"]
        machine.submit_many(count=4, scene=Scene(faults, within=12.0, seconds=1.0, iterations=15))
        machine.cancel(how="scope", pick=24)
        once = {"save": False, "max_in_flight": 3}
        scene = Scene(["reset_after"], seconds=30.0)
        generate_many(5, "stream", scene, 1, block=False, timeout=None, **once)
        generate(Scene(["limited"], within=0.01, seconds=0.1, iterations=14), None, bug=True)
        generate_many(6, "broken", Scene(iterations=19), 2, block=False, timeout=900.0, **once)
        scene = Scene(refused, within=0.0, seconds=5.0, iterations=1)
        generate_many(2, "list", scene, 1, block=True, timeout=20.0, **once)
        machine.cancel(how="scope", pick=36)
        machine.break_polls(faults=["hang"])
    finally:
        machine.teardown()
