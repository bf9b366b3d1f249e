"""Whether callbacks can be relied on, by what became of the last ends: pure."""

from collections import deque

RESULTS = 20
"""How many of the last ends are judged by."""
MAX_MISSING = 0.05
"""The part of them that may be missing."""
PROBES = 6
"""How many of the last probes are judged by."""
MAX_HITS = 2
"""How many of them may find a missing callback."""


class Reliance:
    """Counts ends that were reported, and those that were not.

    In a steady stream that is enough. Of tasks that were all bought at once those that are missing
    come last: what tells then is how many of a few tasks, polled to see, had ended unreported.
    """

    def __init__(self) -> None:
        self.come: bool = True
        """Whether callbacks can be relied on."""
        self._results = deque[bool]([], RESULTS)
        """Of the last ends, whether they were reported."""
        self._probes = deque[bool]([], PROBES)
        """Of the last probes, whether they found an end that was not."""

    def judge(self, *, reported: bool) -> None:
        """Note an end."""
        self._results.append(reported)
        few = self._results.count(False) <= MAX_MISSING * len(self._results)
        self.come = few and self._probes.count(True) <= MAX_HITS
        if not self.come:
            self._probes.clear()  # to rely on them again takes no new ones

    def probed(self, *, hit: bool) -> None:
        """Note what came of a probe."""
        self._probes.append(hit)
