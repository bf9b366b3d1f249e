"""Figures and errors as they are printed in the tables."""

import re
import statistics
from collections.abc import Sequence


def format_range(figures: Sequence[float]) -> str:
    """Format the median, minimum and maximum; some clients are slow in some runs only."""
    if not figures:
        return "-"
    return f"{statistics.median(figures):.1f} ({min(figures):.1f} to {max(figures):.1f})"


def format_distinct(figures: Sequence[float]) -> str:
    """Format the distinct values of a figure that should be constant."""
    return " or ".join(f"{each:g}" for each in sorted(set(figures))) or "-"


def find_error(stderr: str) -> str:
    """Find the error in the output of a process, among warnings such as of unclosed sessions."""
    lines = stderr.strip().splitlines() or ["no output"]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Timeout)\b", line)]
    return (errors or lines)[-1]
