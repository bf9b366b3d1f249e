"""Whether and when a submit may be sent: its batch, the session and the limiter have a say."""

import asyncio
from collections.abc import Callable

from vidgo_async._api.limiter import Limiter, Permit
from vidgo_async._core.errors import RateLimitError
from vidgo_async._generation.breaker import UnknownBreaker
from vidgo_async._generation.pending_submit import PendingSubmit
from vidgo_async._generation.resend import closed_before_sent, deadline_passed, nothing_bought


class SubmitPermits:
    """Lets submits be sent, one permit for each POST."""

    def __init__(
        self,
        limiter: Limiter,
        unknown: UnknownBreaker,
        closing: asyncio.Event,
        check_running: Callable[[], None],
    ) -> None:
        """Begin to let submits be sent.

        Args:
            limiter: The session's.
            unknown: The session's breaker.
            closing: Set when the session closes.
            check_running: Raises if what is bought could not be polled.
        """
        self.unknown = unknown
        self._limiter = limiter
        self._check_running = check_running
        self._closing = closing

    async def acquire(self, submit: PendingSubmit) -> Permit:
        """Wait until it may be sent; much may have changed when that is.

        Raises:
            VidgoError: It may not be sent any more: nothing was bought.
        """
        began = self._limiter.now()
        while True:
            submit.trial = False
            if self._is_held_back(submit):
                await self._wait_for_breakers(submit)
            try:
                permit = await self._acquire(submit)
            except BaseException:
                self.unknown.leave(trial=submit.trial)
                raise
            if not self._is_held_back(submit):
                submit.give_up += self._limiter.now() - began  # to wait costs no patience
                return permit
            permit.release()
            self.unknown.leave(trial=submit.trial)

    def _is_held_back(self, submit: PendingSubmit) -> bool:
        return submit.breaker.is_paused or (self.unknown.is_open and not submit.trial)

    async def _wait_for_breakers(self, submit: PendingSubmit) -> None:
        """Wait until its batch has a consumer, and the session may send."""
        began = self._limiter.now()
        submit.on_sent()
        await submit.breaker.wait_running()
        submit.trial = await self.unknown.enter()
        submit.since += self._limiter.now() - began

    async def _acquire(self, submit: PendingSubmit) -> Permit:
        limiter = self._limiter
        if not limiter.may_pass(limiter.submits):
            submit.on_sent()
        try:
            permit = await limiter.acquire(limiter.submits, submit.since)
        except RateLimitError as lasting:
            raise nothing_bought(lasting) from None
        try:
            self.check_still_wanted(submit)
        except BaseException:
            permit.release()
            raise
        return permit

    def check_still_wanted(self, submit: PendingSubmit) -> None:
        """Refuse to send what no caller waits for, or what cannot be polled.

        Raises:
            VidgoError: So it is.
            CancelledError: The caller left, perhaps before the call.
        """
        submit.breaker.check()
        if self._closing.is_set():
            raise closed_before_sent()
        if not submit.has_waiter:
            raise asyncio.CancelledError
        if self._limiter.now() >= submit.deadline:
            raise deadline_passed(sent=False)
        self._check_running()
