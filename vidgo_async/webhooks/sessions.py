"""The open sessions behind a receiver: which of them a callback is for."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Protocol

from vidgo_async.webhooks.early import EarlyCallbacks


class Session(Protocol):
    """What a receiver knows of a session."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Its event loop."""
        ...

    def poll_now(self, task_id: str) -> bool:
        """Poll a task that is said to have ended; tell whether the session knows it."""
        ...


class Sessions:
    """Hands each reported id to the session that bought or watches its task."""

    def __init__(self, on_unknown: Callable[[str], None]) -> None:
        self._on_unknown = on_unknown
        self._sessions: list[Session] = []
        self._early = EarlyCallbacks()

    def check_loop(self) -> None:
        """Refuse a session of another event loop than the others'.

        Raises:
            RuntimeError: It is another.
        """
        loop = asyncio.get_running_loop()
        # Those of a closed loop were never closed themselves, and never will be.
        self._sessions = [each for each in self._sessions if not each.loop.is_closed()]
        if any(each.loop is not loop for each in self._sessions):
            msg = "a WebhookReceiver serves sessions of one event loop; make one for each loop"
            raise RuntimeError(msg)

    def join(self, session: Session) -> None:
        """Hand callbacks to a session from now on."""
        self._sessions.append(session)

    def leave(self, session: Session) -> None:
        """Hand no more callbacks to a session."""
        self._sessions = [each for each in self._sessions if each is not session]

    def post_began(self) -> int:
        """Note that a session sends a submit; return a number for it."""
        return self._early.post_began()

    def post_ended(self, post: int, task_id: str | None) -> None:
        """Note that a submit was answered, or failed, and which task it bought."""
        self._hand_out(self._early.post_ended(post, task_id, _now()))

    def report(self, task_id: str, *, is_hint: bool) -> None:
        """Hand an id to the session that knows it, in the loop of the sessions.

        Args:
            task_id: The task that is said to have ended.
            is_hint: Whether it comes from the app, which need not be told if no session knows it.
        """
        loop = self._sessions[0].loop if self._sessions else None
        if loop is None or loop is asyncio.get_running_loop():
            self._report(task_id, is_hint)
        else:
            with contextlib.suppress(RuntimeError):  # its loop is closed, and its sessions ended
                loop.call_soon_threadsafe(self._report, task_id, is_hint)

    def _report(self, task_id: str, is_hint: bool) -> None:
        if not self._is_known(task_id):
            self._hand_out(self._early.add(task_id, _now(), is_hint=is_hint))

    def _hand_out(self, task_ids: Iterable[str]) -> None:
        for task_id in task_ids:
            if not self._is_known(task_id):
                self._on_unknown(task_id)

    def _is_known(self, task_id: str) -> bool:
        # All are asked: one may have bought a task that another watches.
        known = [session.poll_now(task_id) for session in self._sessions]
        return any(known)


def _now() -> float:
    return asyncio.get_running_loop().time()
