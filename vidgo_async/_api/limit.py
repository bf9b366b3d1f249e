"""What is known of the server's limit for one kind of request: when the next may be sent.

Nothing is known of it, so nothing is held back until the first 429. That closes the limit for a
moment; then one request goes as a probe, and once it is accepted the others follow. What is refused
and accepted again tells what kind of limit it is:

too fast          the first probe is accepted: a rate (`Rate`)
too many          only a later probe is accepted: a number in a longer window (`Window`)
too many at once  a submit is accepted since a task ended (`ConcurrencyLimit`)

One odd 429 shows none of these, and costs no more than its pause.

Pure: the clock is handed in.
"""

import math
from collections import deque
from collections.abc import Callable

import attrs

from vidgo_async._api.concurrency_limit import ConcurrencyLimit
from vidgo_async._api.rate import Rate
from vidgo_async._api.window import AcceptLog, Window, next_length
from vidgo_async._core.errors import RateLimitError

Delay = Callable[[int, float | None], float]
"""Returns the seconds to wait after so many refusals in a row, where the server may have a wish."""
ODD = 0.1
"""Up to this part of the results since the last refusal but one, refusals may be odd ones."""
FLOOR_TIME = 30.0
"""Seconds: the rate does not fall below what was accepted in these before the refusals."""
PROBES_BEFORE_WINDOW = 2
"""Refused probes that show a window longer than a moment."""
FURTHER = 1.3
"""How many times longer, at least, the limit has been closed at each probe."""
PROBE_TIME = 5.0
"""Seconds after which a probe is not waited for: it may hang, and must not hold up all others."""
WINDOW_PER_PAUSE = 10.0
"""How many times longer than it was closed the window may be that is concluded."""


class Admission:
    """What lets one request be sent; what it comes to may be news to its limit."""

    __slots__ = ("after_end", "round", "trial")

    def __init__(self, round_: int, *, trial: bool, after_end: bool) -> None:
        self.round: int = round_
        self.trial: bool = trial
        """Whether it is one more than is known to be allowed."""
        self.after_end: bool = after_end
        """Whether it is a probe that is sent since a task ended."""


@attrs.define
class Results:
    """How many results there were, and how many of them were refusals."""

    all: int = 0
    refused: int = 0


class Load:
    """Whether requests are sent without a pause: only then does a refusal tell how fast is too fast."""

    def __init__(self) -> None:
        self._began = math.inf
        """When the first request was sent since the last refusal; infinity before that."""
        self._busy = 0.0
        """Seconds since then in which requests were in flight, until all of them had ended."""
        self._busy_since = 0.0

    def begin(self) -> None:
        """Begin anew, after a refusal."""
        self._began = math.inf

    def sent(self, now: float, in_flight: int) -> None:
        """Note a request that is sent beside so many others."""
        if self._began == math.inf:
            self._began = self._busy_since = now
            self._busy = 0.0
        elif in_flight == 0:
            self._busy_since = now

    def done(self, now: float, in_flight: int) -> None:
        """Note one that ended, which leaves so many."""
        if in_flight == 0:
            self._busy += now - self._busy_since

    def is_full(self, now: float) -> bool:
        """Tell, while a request is in flight, whether any were for half of the time."""
        return self._busy + now - self._busy_since >= (now - self._began) / 2


class Limit:
    """The limit of one kind of request."""

    def __init__(self, delay: Delay) -> None:
        self._delay = delay
        self.concurrency: ConcurrencyLimit = ConcurrencyLimit()
        """The bought tasks, whose number may be what is refused; of polls there are none."""
        self.last_refusal: RateLimitError | None = None
        self._log = AcceptLog()
        self._rate = Rate()
        self._window: Window | None = None
        self._results = deque([Results()], maxlen=2)
        """Those since the last refusal that was news, after those before."""
        self._load = Load()
        self._round = 0
        """Counts the refusals that were news: to requests sent after the one before."""
        self._in_flight = 0
        """Requests of this round."""
        self._probing = False
        """Whether only one of this round may be in flight."""
        self._sent_at = -math.inf
        self._refusals = 0
        """Refusals in a row that were news."""
        self._refused_since = self._refused_at = -math.inf
        """When the first and the last of them came."""
        self._accepted = 0
        """Acceptances since the limit last opened."""
        self._not_before = -math.inf
        self._asked_until = -math.inf
        """Until when the server asked to wait."""
        self._usual = Admission(0, trial=False, after_end=False)
        """What most requests of this round get."""

    # --- When -------------------------------------------------------------------------------

    def opens_at(self, now: float, in_flight: int) -> float:
        """Return when the next request may be sent beside all those in flight."""
        if self._round == 0:
            return -math.inf
        return min(self._regular(now, in_flight), self._trial(now, in_flight))

    def sent(self, now: float, in_flight: int) -> Admission:
        """Note that a request is sent, after `opens_at`."""
        admission = self._usual
        if self._round > 0:
            admission = self._admission(now, in_flight)
            self._rate.sent(now)
            self._load.sent(now, in_flight)
        self._in_flight += 1
        self._sent_at = now
        return admission

    def _admission(self, now: float, in_flight: int) -> Admission:
        regular = self._regular(now, in_flight) <= now
        after_end = regular and self._is_probe_after_end(now)
        if regular and not after_end:
            return self._usual
        return Admission(self._round, trial=not regular, after_end=after_end)

    def moves_until(self, now: float) -> float:
        """Return when the last thing happened that lets requests hope, or will have happened."""
        moved_at = max(self._refused_since, self._log.newest(1) if len(self._log) else -math.inf)
        return max(moved_at, self.concurrency.moves_until(now))

    def _regular(self, now: float, in_flight: int) -> float:
        if self._probing and self._in_flight and now < self._sent_at + PROBE_TIME:
            return self._sent_at + PROBE_TIME
        if self.concurrency.limit is not None:
            return now if self.concurrency.has_room(now, in_flight) else math.inf
        if self._is_probe_after_end(now):
            return now
        if self._window is not None:
            return max(self._not_before, self._window.opens_at(in_flight))
        return max(self._not_before, self._rate.opens_at())

    def _is_probe_after_end(self, now: float) -> bool:
        if self.concurrency.limit is not None or now < self._asked_until:
            return False
        refusals = 1 if self._window is not None else PROBES_BEFORE_WINDOW
        return self._refusals >= refusals and self.concurrency.may_probe()

    def _trial(self, now: float, in_flight: int) -> float:
        if self.concurrency.limit is not None:
            return self.concurrency.trial_at(now, in_flight)
        if self._window is None or in_flight or self._refusals:
            return math.inf
        return max(self._not_before, self._window.trial_at())

    # --- What it came to --------------------------------------------------------------------

    def done(self, admission: Admission, now: float, in_flight: int) -> None:
        """Note that a request is in flight no more, which leaves so many."""
        if admission.round > 0:
            self._load.done(now, in_flight)
        if admission.round == self._round:
            self._in_flight -= 1

    def accepted(self, admission: Admission, now: float) -> None:
        """Learn from a request that was accepted; before the first refusal that is only when."""
        if self._round == 0:
            self._log.add(now)
            return
        self._results[-1].all += 1
        self._rate.accepted()
        if admission.round == self._round:
            self._probing = False
            if self._refusals:
                self._reopen(admission, now)
        self._log.add(now)
        self._accepted += 1
        if self._window is not None:
            self._window.accepted(now, trial=admission.trial)
            if not self._window.is_proven and self._window.opens_at(0) > now:
                self._probing = True  # when it opens
        self.concurrency.accepted(now, trial=admission.trial)

    def refused(self, admission: Admission, now: float, error: RateLimitError) -> None:
        """Learn from a refusal; of all in flight at one refusal none says anything new."""
        if self._round == 0:  # until now the acceptances were noted, and not counted
            self._results[-1].all = self._accepted = len(self._log)
        self._results[-1].all += 1
        self._results[-1].refused += 1
        self.last_refusal = error.own_copy()
        asked = self._delay(0, error.retry_after)
        self._asked_until = max(self._asked_until, now + asked)
        self._not_before = max(self._not_before, self._asked_until)
        if admission.round != self._round:
            return
        self._round += 1
        self._usual = Admission(self._round, trial=False, after_end=False)
        self._in_flight = 0
        if not self._told_concurrency(admission, now) and not self._told_trial(admission, now):
            self._close(now, asked, after_end=admission.after_end)

    def _told_concurrency(self, admission: Admission, now: float) -> bool:
        """Tell whether the number of running tasks is why, so that no pause is needed."""
        if self.concurrency.limit is None:
            if admission.after_end:
                self.concurrency.probed(now, accepted=False)
            return False
        return self.concurrency.refused(now, trial=admission.trial)

    def _told_trial(self, admission: Admission, now: float) -> bool:
        if self._window is None or not admission.trial:
            return False
        self._window.refused(now, trial=True)
        return True

    def _close(self, now: float, asked: float, *, after_end: bool) -> None:
        if self._refusals == 0:
            self._refused_since = now
            self.concurrency.refusals_began()
            wait = asked or self._delay(1, None)
        else:
            closed = now - self._refused_since
            # A probe that an end allowed must not put off the next by time: it may come just before.
            wait = next_length(closed if after_end else FURTHER * closed) - closed
        self._refusals += 1
        self._refused_at = now
        self._probing = True
        self._not_before = max(self._not_before, now + wait)
        if self._window is not None:
            self._window.refused(now, trial=False)
        floor = self._log.count(self._refused_since - FLOOR_TIME) / FLOOR_TIME
        is_odd = self._may_be_odd() or not self._load.is_full(now)
        self._rate.refused(now, self._not_before - now, floor, is_odd=is_odd)
        self._results.append(Results())
        self._load.begin()

    def _may_be_odd(self) -> bool:
        refused = sum(each.refused for each in self._results)
        return refused < ODD * sum(each.all for each in self._results)

    def _reopen(self, admission: Admission, now: float) -> None:
        """Conclude from the first acceptance after refusals what kind of limit it is."""
        if admission.after_end:
            self.concurrency.probed(now, accepted=True)
            self._window = None
        elif self._window is None and self._refusals > PROBES_BEFORE_WINDOW and self._accepted:
            used = self._refused_at - self._log.newest(min(self._accepted, len(self._log)))
            closed = now - self._refused_since
            length = next_length(min(used, WINDOW_PER_PAUSE * closed))
            number = min(self._accepted, self._log.count(self._refused_since - length))
            self._window = Window(self._log, max(1, number), length)
        self._refusals = self._accepted = 0
