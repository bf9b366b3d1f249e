"""Callbacks that came before the answer to the submit, which has the id of their task."""

from collections import OrderedDict

MAX_EARLY = 1000
"""Callbacks that are remembered; of more the oldest is given up."""
MAX_AGE = 60.0
"""Seconds after which a callback is given up."""


class _Early:
    __slots__ = ("at", "is_hint", "last_post")

    def __init__(self, at: float, last_post: int, *, is_hint: bool) -> None:
        self.at = at
        """When it came."""
        self.last_post = last_post
        """The last POST that was sent then: the task is of this one or one before, or of none."""
        self.is_hint = is_hint
        """Whether another process has it, so that the app is not told of it."""


class EarlyCallbacks:
    """Remembers unknown ids for as long as a POST is open that may have bought their task.

    Pure: the clock is handed in.
    """

    def __init__(self) -> None:
        self._callbacks = OrderedDict[str, _Early]()
        self._open = dict[int, None]()
        """The open POSTs by number, oldest first."""
        self._last_post = 0

    def __len__(self) -> int:
        return len(self._callbacks)

    def post_began(self) -> int:
        """Note that a POST is sent; return its number."""
        self._last_post += 1
        self._open[self._last_post] = None
        return self._last_post

    def post_ended(self, post: int, task_id: str | None, now: float) -> list[str]:
        """Note that a POST ended, with the id of its task if it bought one.

        Returns:
            Ids that are remembered no longer: that one, if it was, and those given up, without
            hints.
        """
        del self._open[post]
        found = [] if self._callbacks.pop(task_id or "", None) is None else [task_id or ""]
        return found + self._give_up(now)

    def add(self, task_id: str, now: float, *, is_hint: bool = False) -> list[str]:
        """Remember an id, once; return those given up, perhaps this one, without hints."""
        if task_id not in self._callbacks:
            self._callbacks[task_id] = _Early(now, self._last_post, is_hint=is_hint)
        return self._give_up(now)

    def _give_up(self, now: float) -> list[str]:
        oldest_post = next(iter(self._open), self._last_post + 1)
        ids: list[str] = []
        while self._callbacks:
            task_id, early = next(iter(self._callbacks.items()))
            is_possible = early.last_post >= oldest_post and now < early.at + MAX_AGE
            if is_possible and len(self._callbacks) <= MAX_EARLY:
                break
            if not early.is_hint:
                ids.append(task_id)
            del self._callbacks[task_id]
        return ids
