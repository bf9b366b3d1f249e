"""One submit under way: what its caller waits for, and how far it is."""

import math
from collections.abc import Callable

from vidgo_async._api.send_state import SendState
from vidgo_async._api.submit_body import SubmitBody
from vidgo_async._core.concurrency import now
from vidgo_async._core.models import Request
from vidgo_async._generation.breaker import Breaker
from vidgo_async._generation.records import Recorder, SubmitRecord


class PendingSubmit:
    """One submit under way."""

    def __init__(
        self,
        request: Request,
        body: SubmitBody,
        breaker: Breaker,
        on_sent: Callable[[], None],
        record: SubmitRecord | None,
    ) -> None:
        self.request = request
        self.body = body
        self.breaker = breaker
        self.recorder = Recorder(record)
        self.deadline = math.inf
        """The loop's time until which its caller waits."""
        self.since = now()
        """The loop's time since when it could be sent, by this side."""
        self.give_up = math.inf
        """The loop's time after which it is not sent again, by the retry policy."""
        self.on_sent = on_sent
        self.state = SendState(on_sent)
        """Of the POST that may have bought something: a new one after each safe refusal."""
        self.abandoned = False
        """Whether its caller is gone, so that it may not be sent again."""
        self.trial = False
        """Whether the session's breaker is open, and this submit may try the way."""
