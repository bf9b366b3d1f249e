"""Whom a fault strikes, how often, and by what chance."""

import random
from types import EllipsisType

import attrs
from aiohttp import web
from aiohttp.typedefs import Handler

from vidgo_async.sandbox.faults.connections import Fault, title_of
from vidgo_async.sandbox.http.calls import CALL, Call

Times = int | EllipsisType | None
"""How many requests to strike; None for ever, and `...` once, or for ever with a rate."""


def _check_times(_: object, field: "attrs.Attribute[Times]", value: Times) -> None:
    if isinstance(value, int) and value < 1:
        msg = f"{field.name} must be at least 1, or None, not {value}"
        raise ValueError(msg)


@attrs.define(eq=False)
class Rule:
    """One fault and the requests that it strikes."""

    fault: Fault
    call: str | None
    times: Times = attrs.field(validator=_check_times)
    skip: int = attrs.field(validator=attrs.validators.ge(0))
    task_id: str | None
    rate: float | None = attrs.field(
        validator=attrs.validators.optional([attrs.validators.ge(0.0), attrs.validators.le(1.0)])
    )
    seed: str
    _seen: int = attrs.field(init=False, default=0)
    _struck: int = attrs.field(init=False, default=0)
    _luck: random.Random = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # The rule's own, so that no other call in between decides whom it strikes.
        self._luck = random.Random(self.seed)  # repeatable; it guards nothing

    def strikes(self, call: Call) -> bool:
        """Tell whether it is this request's turn, and count it."""
        if self.call not in {None, call.name} or self.task_id not in {None, call.task_id}:
            return False
        self._seen += 1
        if self._seen <= self.skip or self._is_over() or not self._is_lucky():
            return False
        self._struck += 1
        return True

    def _is_over(self) -> bool:
        if self.times is ...:
            return self.rate is None and self._struck > 0
        return self._struck == self.times

    def _is_lucky(self) -> bool:
        return self.rate is None or self._luck.random() < self.rate


@attrs.define(eq=False)
class Rules:
    """The rules, in order of installation."""

    all: list[Rule] = attrs.field(factory=list[Rule])

    @web.middleware
    async def strike(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let the first rule whose turn it is answer, or else the real thing."""
        call = request[CALL]
        for rule in self.all:
            if rule.strikes(call):
                call.fault = title_of(rule.fault)
                return await rule.fault(request, handler)
        return await handler(request)
