"""Callbacks, really delivered: each end of a task is POSTed to its `callback_url`."""

import asyncio
import functools
import random
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp

from vidgo_async.sandbox.state.callbacks import (
    DELIVERIES,
    CallbackAttempt,
    Callbacks,
    Shape,
)
from vidgo_async.sandbox.state.tasks import SoldTask

TaskObject = Callable[[SoldTask], dict[str, Any]]
"""Returns a task as a poll would show it now."""


class Webhooks:
    """Sends callbacks when tasks end."""

    def __init__(self, seed: int, task_object: TaskObject) -> None:
        self.settings: Callbacks = Callbacks()
        self.attempts: list[CallbackAttempt] = []
        """All attempts, in order of their ends."""
        self._task_object = task_object
        self._random = random.Random(f"{seed}/callbacks")
        self._client: aiohttp.ClientSession | None = None
        self._timers = set[asyncio.TimerHandle]()
        self._deliveries = set[asyncio.Task[object]]()

    def sold(self, task: SoldTask) -> None:
        """Report the end of a task when it comes."""
        if task.callback_url is not None:
            self._call_at(task.ends_at, functools.partial(self._ended, task))

    async def send(
        self, url: str, task_id: str, fields: dict[str, Any], shape: Shape
    ) -> int | None:
        """Send a callback until it was delivered, or no attempt is left.

        Returns:
            The HTTP status of the last answer; None if there was none.
        """
        body = fields if shape == "flat" else {"code": 200, "data": fields}
        if shape == "flat":
            body.pop("progress", None)
        delivery = DELIVERIES[shape]
        status: int | None = None
        for number, pause in enumerate((0.0, *delivery.pauses), start=1):
            await asyncio.sleep(pause)
            sent_at = asyncio.get_running_loop().time()
            status = await self._post(url, body, delivery.timeout)
            self.attempts.append(
                CallbackAttempt(
                    task_id=task_id,
                    shape=shape,
                    number=number,
                    sent_at=sent_at,
                    status=status,
                    url=url,
                )
            )
            if delivery.is_over(status):
                break
        return status

    async def close(self) -> None:
        """Send no more."""
        for timer in self._timers:
            timer.cancel()
        for delivery in self._deliveries:
            delivery.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    def _ended(self, task: SoldTask) -> None:
        """Decide what becomes of the callback of a task that ended."""
        settings, url = self.settings, task.callback_url or ""
        # Each end draws the same count of random numbers, so that its settings change nothing for
        # the next one.
        is_lost, is_doubled = (self._random.random() for _ in range(2))
        shape = self._random.choice(list(DELIVERIES))
        delays = [self._random.uniform(*settings.delay) for _ in range(2)]
        if is_lost < settings.lost or not settings.may_call(url):
            return
        if settings.shape != "both":
            shape = settings.shape
        for delay in delays[: 1 + (is_doubled < settings.doubled)]:
            self._start(self._deliver(task, url, shape, delay))

    async def _deliver(self, task: SoldTask, url: str, shape: Shape, delay: float) -> None:
        await asyncio.sleep(delay)
        await self.send(url, task.task_id, self._task_object(task), shape)

    async def _post(self, url: str, body: dict[str, Any], seconds: float) -> int | None:
        if self._client is None:
            self._client = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._client.post(
                url, json=body, timeout=timeout, allow_redirects=False
            ) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return None

    def _start(self, delivery: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(delivery)
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    def _call_at(self, when: float, call: Callable[[], None]) -> None:
        def ring() -> None:
            self._timers.discard(timer)
            call()

        timer = asyncio.get_running_loop().call_at(when, ring)
        self._timers.add(timer)
