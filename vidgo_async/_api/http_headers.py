"""Headers whose meaning HTTP itself defines: dates, and `Retry-After` (RFC 9110)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

Headers = Mapping[str, str]
"""Headers whose names are looked up without regard to case."""


def http_date(value: str) -> datetime | None:
    """Read a date (RFC 9110, section 5.6.7); None where it makes no sense. It is in UTC."""
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def retry_after(headers: Headers) -> float | None:
    """Return the seconds that `Retry-After` asks for; None where it makes no sense.

    Both forms of RFC 9110, section 10.2.3: seconds or an HTTP date. A date is taken relative
    to the server's own `Date`, so that two clocks that disagree do no harm.
    """
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return float(value)
    moment = http_date(value)
    return None if moment is None else _seconds_until(moment, headers)


def _seconds_until(moment: datetime, headers: Headers) -> float:
    now = http_date(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (moment - now).total_seconds())
