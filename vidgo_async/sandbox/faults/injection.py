"""Which requests a fault applies to, how often, and with what probability."""

import random
from types import EllipsisType

import attrs
from aiohttp import web
from aiohttp.typedefs import Handler

from vidgo_async.sandbox.faults.connections import Fault, fault_name
from vidgo_async.sandbox.http.calls import CALL, Call

Times = int | EllipsisType | None
"""How many requests; None is no limit, and `...` is one, or no limit if there is a rate."""


def _check_times(_: object, field: "attrs.Attribute[Times]", value: Times) -> None:
    if isinstance(value, int) and value < 1:
        msg = f"{field.name} must be at least 1, or None, not {value}"
        raise ValueError(msg)


@attrs.define(eq=False, kw_only=True)
class InjectedFault:
    """One fault and the requests that it applies to; `Sandbox.inject` explains the fields."""

    fault: Fault
    call: str | None
    times: Times = attrs.field(validator=_check_times)
    skip: int = attrs.field(validator=attrs.validators.ge(0))
    task_id: str | None
    rate: float | None = attrs.field(
        validator=attrs.validators.optional([attrs.validators.ge(0.0), attrs.validators.le(1.0)])
    )
    seed: str
    _matched: int = attrs.field(init=False, default=0)
    _applied: int = attrs.field(init=False, default=0)
    _random: random.Random = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # Its own, so that the requests it applies to do not depend on other calls or faults.
        self._random = random.Random(self.seed)

    def applies_to(self, call: Call) -> bool:
        """Tell whether it applies to this request, and count it."""
        if self.call not in {None, call.name} or self.task_id not in {None, call.task_id}:
            return False
        self._matched += 1
        if self._matched <= self.skip or self._is_used_up() or not self._draw():
            return False
        self._applied += 1
        return True

    def _is_used_up(self) -> bool:
        if self.times is ...:
            return self.rate is None and self._applied > 0
        return self._applied == self.times

    def _draw(self) -> bool:
        return self.rate is None or self._random.random() < self.rate


@attrs.define(eq=False)
class InjectedFaults:
    """All injected faults, in order of injection."""

    all: list[InjectedFault] = attrs.field(factory=list[InjectedFault])

    @web.middleware
    async def apply(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Apply the first fault that applies to the request; without one, handle it."""
        call = request[CALL]
        for injected in self.all:
            if injected.applies_to(call):
                call.fault = fault_name(injected.fault)
                return await injected.fault(request, handler)
        return await handler(request)
