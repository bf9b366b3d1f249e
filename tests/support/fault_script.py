"""Faults by name, and a script that plays them in front of the sandbox."""

from collections import defaultdict, deque
from typing import TYPE_CHECKING

import anyio
from aiohttp import web
from aiohttp.typedefs import Handler

from vidgo_async.sandbox import (
    Fault,
    after,
    answer,
    changed,
    cut_body,
    hang,
    hang_after,
    refusal,
    reset_after,
    reset_before,
    slow,
)

if TYPE_CHECKING:
    from tests.support.limits import ServerLimit


async def honest(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Pass the request on."""
    return await handler(request)


async def late_answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Pass the request on, and answer three seconds later."""
    response = await handler(request)
    await anyio.sleep(3)
    return response


RESENDABLE: dict[str, Fault] = {"limited": refusal(429), "busy": refusal(503)}
"""After these a client may send a submit again."""
CLEAR = frozenset({"late", "late_answer", "refused", "unpaid", "not_found", "honest", *RESENDABLE})
"""Responses that come within the grace period of closing, and leave no outcome unknown."""
FAULTS: dict[str, Fault] = {
    "reset_before": reset_before,
    "reset_after": reset_after,
    "hang": hang,
    "hang_after": hang_after,
    "cut_body": cut_body,
    "late_answer": late_answer,
    "late": slow(4),
    "html": answer(502, "<html>"),
    "lost": after(answer(504, "<html>")),
    "no_id": changed(task_id=None),
    "empty": answer(200),
    "refused": refusal(400),
    "unpaid": refusal(402),
    "not_found": refusal(404),
    "honest": honest,
    **RESENDABLE,
}


class FaultScript:
    """A fault that plays the planned ones, and records what no client may do."""

    def __init__(self) -> None:
        self.plans: defaultdict[str, deque[str]] = defaultdict(deque)
        """The faults of the next requests, by call."""
        self.posts: defaultdict[str, list[str]] = defaultdict(list)
        """The faults that the submits of each prompt met."""
        self.limit = self.most = 0
        """Requests in flight: how many there may be, and how many there were at most."""
        self.server_limit: ServerLimit | None = None
        """What refuses submits that no fault meets."""
        self.violations: list[str] = []
        self._in_flight: list[web.Request] = []

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        call = request.match_info.route.name or ""
        fault = self.plans[call].popleft() if self.plans[call] else "honest"
        if call == "submit" and fault == "honest" and not self._allows():
            fault = "limited"
        self._in_flight.append(request)
        try:
            self._count()
            if call == "file":
                return await FAULTS[fault](request, handler)
            if call != "submit":
                await anyio.sleep(0.3)
            else:
                self._note((await request.json())["input"]["prompt"], fault)
            return await FAULTS[fault](request, handler)
        finally:
            self._in_flight = [other for other in self._in_flight if other is not request]

    def _allows(self) -> bool:
        return self.server_limit is None or self.server_limit.allows(anyio.current_time())

    def _count(self) -> None:
        # The handler of a request that its client aborted may live for one more loop iteration.
        alive = [
            request
            for request in self._in_flight
            if request.transport and not request.transport.is_closing()
            if request.match_info.route.name != "file"  # they need no permit
        ]
        self.most = max(self.most, len(alive))
        if len(alive) > self.limit:
            self.violations.append(f"{len(alive)} requests in flight; the limit is {self.limit}")

    def _note(self, prompt: str, fault: str) -> None:
        before = self.posts[prompt]
        if not RESENDABLE.keys() >= {*before}:
            self.violations.append(f"{prompt} was sent again after {before}")
        before.append(fault)
