"""How callbacks are sent: the two documented ways, and what can go wrong with them."""

import ipaddress
import math
from typing import Any, Literal

import attrs
from yarl import URL

Shape = Literal["flat", "envelope"]
"""The body of a callback: the task alone (the newest text), or in the envelope of a poll (an older
one)."""

_share = [attrs.validators.ge(0.0), attrs.validators.le(1.0)]


@attrs.frozen
class Delivery:
    """What a text says of how a callback is delivered (webhook page)."""

    timeout: float
    """Seconds within which it must be answered."""
    pauses: tuple[float, ...]
    """Seconds before each further attempt."""
    repeats_on_4xx: bool
    """Whether any answer but a 2xx leads to one, or only a 5xx and no answer."""

    def is_over(self, status: int | None) -> bool:
        """Tell whether an attempt is the last: answered with this status, or None for no answer."""
        if status is None:
            return False
        return status < 400 or (status < 500 and not self.repeats_on_4xx)  # noqa: PLR2004


# "Up to 5, growing" does not say how: doubled, as in the older text.
DELIVERIES: dict[Shape, Delivery] = {
    "flat": Delivery(30.0, (1.0, 2.0, 4.0, 8.0, 16.0), repeats_on_4xx=False),
    "envelope": Delivery(10.0, (1.0, 2.0, 4.0), repeats_on_4xx=True),
}


def _check_delay(_: object, field: "attrs.Attribute[Any]", value: tuple[float, float]) -> None:
    low, high = value
    if not 0 <= low <= high < math.inf:
        msg = f"{field.name} must be a range of seconds such as (0.0, 5.0), not {value}"
        raise ValueError(msg)


@attrs.frozen(kw_only=True)
class Callbacks:
    """How a sandbox reports the ends of tasks that were bought with a `callback_url`.

    Raises:
        ValueError: A value is out of its range.
    """

    shape: Literal["flat", "envelope", "both"] = attrs.field(
        default="flat", validator=attrs.validators.in_(("flat", "envelope", "both"))
    )
    """The body, and with it how often and how long delivery is tried; of both one at random."""
    lost: float = attrs.field(default=0.0, validator=_share)
    """The share that is never sent, 0 to 1."""
    doubled: float = attrs.field(default=0.0, validator=_share)
    """The share that is sent twice."""
    delay: tuple[float, float] = attrs.field(default=(0.0, 0.0), validator=_check_delay)
    """The shortest and the longest time from the end of a task, in seconds; a range wider than the
    pauses between ends puts callbacks out of order, and doubles apart."""
    public: bool = False
    """Whether to call addresses beyond this machine too, such as that of a tunnel."""

    def may_call(self, url: str) -> bool:
        """Tell whether an address is called at all."""
        return self.public or _is_local(URL(url).host or "")


@attrs.frozen(kw_only=True)
class CallbackAttempt:
    """One attempt to deliver a callback."""

    task_id: str
    shape: Shape
    number: int
    """1 for the first attempt."""
    sent_at: float
    """In seconds of the loop's clock."""
    status: int | None
    """The HTTP status of the answer; None if there was none in time."""
    url: str = attrs.field(repr=False)
    """Where it was sent; it may hold a token."""


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
