"""Figures and errors as they stand in the tables."""

import re
import statistics
from collections.abc import Sequence


def spread(figures: Sequence[float]) -> str:
    """Write the median with the least and the most; some clients collapse in some runs only."""
    if not figures:
        return "-"
    return f"{statistics.median(figures):.1f} ({min(figures):.1f} to {max(figures):.1f})"


def steady(figures: Sequence[float]) -> str:
    """Write a figure that should always be the same, or what it was instead."""
    return " or ".join(f"{each:g}" for each in sorted(set(figures))) or "-"


def complaint(text: str) -> str:
    """Find the error in what a process wrote, among warnings such as of unclosed sessions."""
    lines = text.strip().splitlines() or ["it said nothing"]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Timeout)\b", line)]
    return (errors or lines)[-1]
