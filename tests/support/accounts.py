"""Two sides of an account: what a server was asked for, and what callers were given."""

from collections import Counter, defaultdict, deque

import anyio
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.sessions import after
from vidgo_async import Outcome, SubmissionUnknownError, SubmitErrorGroup, Task, VidgoError
from vidgo_async.sandbox import (
    Fault,
    Sandbox,
    answer,
    cut_body,
    hang,
    hang_after,
    reset_after,
    reset_before,
)


async def honest(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do the real thing."""
    return await handler(request)


async def late_answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do the real thing, and answer three seconds later."""
    response = await handler(request)
    await anyio.sleep(3)
    return response


def no(status: int, kind: str = "t", **headers: str) -> Fault:
    """Refuse in the API's own words."""
    return answer(status, {"code": status, "error": {"message": "no", "type": kind}}, headers)


CUTS: tuple[Fault, ...] = (reset_before, reset_after, hang, hang_after, cut_body, late_answer)
AGAIN = {"limited": no(429), "busy": no(503, "service_error")}
"""The answers after which a client may send a submit again."""
CLEAR = frozenset({"late", "late_answer", "refused", "unpaid", "not_found", "honest", *AGAIN})
"""The answers that come within the grace of closing, and leave nothing unknown."""
FAULTS: dict[str, Fault] = {
    **{getattr(cut, "__name__", ""): cut for cut in CUTS},
    "late": after(4),
    "html": answer(502, "<html>"),
    "empty": answer(200),
    "refused": no(400),
    "unpaid": no(402),
    "not_found": no(404),
    "honest": honest,
    **AGAIN,
}


class Desk:
    """Stands before the real thing: plays the faults, and notes what should not be."""

    def __init__(self) -> None:
        self.plans: defaultdict[str, deque[str]] = defaultdict(deque)
        self.posts: defaultdict[str, list[str]] = defaultdict(list)
        self.busy: list[web.Request] = []
        self.room = self.most = 0
        self.wrongs: list[str] = []

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request in."""
        call = request.match_info.route.name or ""
        fault = self.plans[call].popleft() if self.plans[call] else "honest"
        self.busy.append(request)
        try:
            self._count()
            if call != "submit":
                await anyio.sleep(0.3)
            else:
                self._note((await request.json())["input"]["prompt"], fault)
            return await FAULTS[fault](request, handler)
        finally:
            self.busy = [one for one in self.busy if one is not request]

    def _count(self) -> None:
        # The handler of a request that its client gave up may live for one more turn.
        alive = [one for one in self.busy if one.transport and not one.transport.is_closing()]
        self.most = max(self.most, len(alive))
        if len(alive) > self.room:
            self.wrongs.append(f"{len(alive)} requests at once, where {self.room} may be")

    def _note(self, prompt: str, fault: str) -> None:
        before = self.posts[prompt]
        if not AGAIN.keys() >= {*before}:
            self.wrongs.append(f"{prompt} came again after {before}")
        before.append(fault)


class Ledger:
    """What callers were given for their money, and what nobody was given."""

    def __init__(self) -> None:
        self.tasks: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()

    def note(self, *things: object) -> None:
        """Note what a purchase gave, or raised, or left behind."""
        for thing in things:
            match thing:
                case Task():
                    self.tasks[thing.task_id] += 1
                case SubmissionUnknownError():
                    self.unknown[thing.request.input["prompt"]] += 1
                case SubmitErrorGroup():
                    self.note(*thing.accepted.values(), *thing.failed.values())
                case VidgoError():
                    self.note(thing.task)
                case Outcome():
                    self.outcomes[thing.request.input["prompt"]] += 1
                    self.note(thing.error if thing.task is None else thing.task)
                case _:
                    assert thing is None

    def check(self, sandbox: Sandbox) -> None:
        """Compare with what was sold: each sale has one owner, and nothing else was given."""
        assert self.tasks.keys() <= sandbox.tasks.keys()
        sold = Counter(task.input["prompt"] for task in sandbox.tasks.values())
        owned = Counter(self.unknown)
        for task_id, times in self.tasks.items():
            owned[sandbox.tasks[task_id].input["prompt"]] += times
        for counts in (sold, owned, self.outcomes):
            assert not [prompt for prompt, times in counts.items() if times > 1]
        assert sold.keys() <= owned.keys()
