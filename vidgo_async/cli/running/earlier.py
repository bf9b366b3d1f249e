"""What earlier runs bought of the rows of a run, by its journal."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from vidgo_async._core.models import Request
from vidgo_async.journal.entries import Entry, EntryState


class Earlier:
    """Requests that are not bought again, and tasks that are paid for and not saved."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._known = Counter[str]()
        self.unsaved: list[tuple[str, str]] = []
        """Tasks that are paid for and not saved, each with what tells its request."""
        for entry in entries:
            key = _key(entry.request)
            task = entry.task
            is_bought = task is not None and not task.failed
            if is_bought or entry.state is EntryState.UNKNOWN:
                self._known[key] += 1
            if task is not None and is_bought and entry.state is not EntryState.SAVED:
                self.unsaved.append((key, task.task_id))

    def unsaved_of(self, requests: Sequence[Request]) -> list[str]:
        """Return the tasks of these requests that are paid for and not saved."""
        if not self.unsaved:
            return []
        keys = {_key(request) for request in requests}
        return [task_id for key, task_id in self.unsaved if key in keys]

    def has_all(self, requests: Sequence[Request]) -> bool:
        """Tell whether none of these requests is bought."""
        return Counter(map(_key, requests)) <= self._known

    def take(self, request: Request) -> bool:
        """Tell whether a request is not bought again; of equal ones, as often as it was bought."""
        key = _key(request)
        self._known[key] -= 1
        return self._known[key] >= 0


def _key(request: Request) -> str:
    # Paths are from the root in a journal, and in rows of a file.
    return json.dumps([request.model, request.input], sort_keys=True, default=str)
