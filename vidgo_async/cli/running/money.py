"""What a run costs, and `--max-credits`, which stops the buying before it costs more.

Credits are taken when a task is submitted, and given back when it fails. A poll may tell what a task
cost, often only at its end, or never; the balance tells sooner, but of all that the account does.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol

import anyio

from vidgo_async._core.errors import SubmissionUnknownError, VidgoError
from vidgo_async._core.models import Balance, Task
from vidgo_async._generation.outcome import Outcome

ASK_TIMEOUT = 5.0
"""Seconds for a balance."""
Ask = Callable[[], Awaitable[float | None]]
"""Asks for the balance; None where it is not told."""


class Account(Protocol):
    """What knows the balance: a session."""

    async def balance(self) -> Balance:
        """Ask what is left."""
        ...


async def balance_of(account: Account) -> float | None:
    """Return the balance; None where it is not told."""
    with anyio.move_on_after(ASK_TIMEOUT):
        try:
            return (await account.balance()).credits
        except VidgoError:
            pass
    return None


class Spending:
    """What the tasks of a run cost."""

    def __init__(self) -> None:
        self.before: float | None = None
        """The balance at the start; None where it is not known."""
        self.after: float | None = None
        """The balance at the end."""
        self.is_expected: bool = True
        """Whether anything may be bought: else the balance need not be asked for."""
        self.told: float = 0.0
        """Credits of the tasks whose cost the server told."""
        self.untold: int = 0
        """Tasks that ended, and whose cost it did not tell."""
        self._open = set[str]()
        """Tasks of this run that have not ended."""
        self._open_at_balance = 0
        self._started_at = datetime.now(UTC)

    def is_new(self, task: Task) -> bool:
        """Tell whether a task was bought in this run."""
        return task.submitted_at is not None and task.submitted_at >= self._started_at

    def add_paid(self, task: Task) -> None:
        """Take note of a task that was bought."""
        if self.is_new(task):
            self._open.add(task.task_id)
        if task.failed:
            self._open.discard(task.task_id)

    def add(self, outcome: Outcome) -> None:
        """Count what a request cost; a server that tells 0 of a finished task may not know."""
        task = outcome.task
        if isinstance(outcome.error, SubmissionUnknownError):
            self.untold += 1
        elif task is not None and self.is_new(task):
            self._open.discard(task.task_id)
            if not task.failed:
                self.told += task.credits or 0.0
                self.untold += not task.credits

    async def ask_after(self, account: Account) -> None:
        """Ask for the balance at the end."""
        self._open_at_balance = len(self._open)
        if self.is_expected:
            self.after = await balance_of(account)

    def close(self, unknown: int) -> None:
        """Take note of what came after that: answers to the last submits, or none.

        Args:
            unknown: Submits that may have been paid for.
        """
        if len(self._open) != self._open_at_balance or unknown > self.untold:
            self.after = None
        self.untold += len(self._open) or unknown

    @property
    def credits(self) -> float | None:
        """What was spent; None where it is not known."""
        if not self.untold:
            return self.told
        if self.before is None or self.after is None:
            return None
        return self.before - self.after

    def lines(self) -> list[str]:
        """Return what to say at the end."""
        if not self.is_expected:
            return ["nothing was bought"]
        spent = "unknown" if self.credits is None else f"{self.credits:g}"
        balances = " to ".join(
            "unknown" if each is None else f"{each:g}" for each in (self.before, self.after)
        )
        return [f"credits spent: {spent}; balance: {balances}"]


class Budget:
    """Says before each request whether it may be bought.

    The first task of a model is bought alone, to learn its price. After that the tasks in flight
    count by the highest price of their model, so that the limit is not exceeded.
    """

    def __init__(
        self, limit: float, spending: Spending, ask: Ask, say: Callable[[str], None]
    ) -> None:
        self.is_spent: bool = False
        """Whether a request was refused."""
        self._limit = limit
        self._say = say
        self._is_held = False
        self._spending = spending
        self._ask = ask
        self._prices: dict[str, float] = {}
        self._reserved = Counter[str]()
        """Requests that may be bought and have no outcome yet, by their model."""
        self._trial: tuple[str, float | None] | None = None
        """The model of a task that is bought to learn its price, and the balance before that."""
        self._trial_is_bought = False
        self._changed = asyncio.Event()

    async def may_buy(self, model: str) -> bool:
        """Wait until it is clear whether a request may be bought, and reserve its price if so."""
        while not await self._has_room(model):
            if not self._reserved.total():
                self.is_spent = True
                self._say(f"--max-credits {self._limit:g} is reached: nothing more is bought")
                return False
            await self._changed.wait()
        self._reserved[model] += 1
        return True

    async def _has_room(self, model: str) -> bool:
        self._changed.clear()
        await self._learn()
        charged = await self._charged()
        price = self._prices.get(model)
        if price is None:
            if self._reserved.total() or charged >= self._limit:
                return False
            self._trial = (model, await self._ask())
            self._trial_is_bought = False
            return True
        expected = sum(self._prices.get(each, 0.0) * n for each, n in self._reserved.items())
        has_room = charged + expected + price <= self._limit
        if not has_room and expected and not self._is_held:
            self._is_held = True
            self._say(
                f"--max-credits {self._limit:g}: {charged:g} spent, and {self._reserved.total()} in "
                f"flight may cost {expected:g} more; the rest waits for them"
            )
        return has_room

    async def _charged(self) -> float:
        """Return what the tasks that ended cost, at most."""
        if not self._spending.untold:
            return self._spending.told
        before, now = self._spending.before, await self._ask()
        if before is None or now is None:
            return math.inf
        return max(self._spending.told, before - now)

    def on_update(self, task: Task) -> None:
        """Take note that a task was bought: the balance tells its price now."""
        if self._trial is not None and self._spending.is_new(task):
            self._trial_is_bought = True
            self._changed.set()

    async def _learn(self) -> None:
        if self._trial is None or not self._trial_is_bought:
            return
        (model, before), self._trial = self._trial, None
        now = await self._ask()
        if before is not None and now is not None and now < before:
            self._set_price(model, before - now)

    def add(self, outcome: Outcome) -> None:
        """Free what was reserved for a request."""
        model, task = outcome.request.model, outcome.task
        self._reserved[model] -= 1
        if task is not None and task.finished and task.credits:
            self._set_price(model, task.credits)
        self._changed.set()

    def _set_price(self, model: str, price: float) -> None:
        self._prices[model] = max(price, self._prices.get(model, 0.0))
        self._changed.set()
