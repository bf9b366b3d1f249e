"""Plain words: lines, numbers, and text of others."""

import pytest

from tests.progress.fakes import failure, request, success
from vidgo_async.progress.cleaning import MAX_LENGTH, clean, clean_line, prompt_of
from vidgo_async.progress.snapshot import Credits, Snapshot
from vidgo_async.progress.text import duration, end_line, heartbeat, parts

SNAPSHOT = Snapshot(500, 20, 1, 16, per_minute=12.0)


def test_end_of_a_task() -> None:
    """A finished task is named by its prompt, with its time and its price where they are known."""
    line = end_line(success(credits=3.5), 12, 500, 84.2)
    assert line == "12 of 500: a fox in snow: finished after 84 s, 3.5 credits"
    assert end_line(success(), 12, None, None) == "12: a fox in snow: finished, bought before"


def test_end_of_a_failure() -> None:
    """A failure has its reason, on one line."""
    line = end_line(failure(error="no fox\nhere\x1b[31m"), 13, 500, None)
    assert line == "13 of 500: rain on glass: failed: no fox here\ufffd[31m"


def test_heartbeat() -> None:
    """A heartbeat says what is to come, and how long that takes if it is known."""
    expected = "479 to go: 16 in flight, 463 queued, 20 done, 1 failed; about 40 min left"
    assert heartbeat(SNAPSHOT) == expected
    assert heartbeat(Snapshot(None, 20, 1, 16)) == "16 in flight, 20 done, 1 failed"


def test_parts() -> None:
    """All counts, the time left, the rate and the credits are there; what is unknown is not."""
    known = Snapshot(500, 20, 1, 16, per_minute=12.0, credits=Credits(1234.5, is_complete=True))
    assert parts(known) == [
        "20 done",
        "1 failed",
        "16 in flight",
        "463 queued",
        "about 40 min left",
        "12 a minute",
        "1,234.5 credits",
    ]
    assert parts(Snapshot(None, 20, 1, 16)) == ["20 done", "1 failed", "16 in flight"]


def test_slow_rate_and_incomplete_price() -> None:
    """Less than one a minute is said by the hour, and a sum that lacks prices is a least one."""
    slow = Snapshot(None, 20, 0, 16, per_minute=0.5, credits=Credits(7, is_complete=False))
    assert parts(slow)[-2:] == ["30 an hour", "at least 7 credits"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "10 s"), (81, "90 s"), (100, "2 min"), (3000, "50 min"), (7200, "2 h"), (9e5, "10 days")],
)
def test_durations(seconds: float, said: str) -> None:
    """A guess is as exact as it can be."""
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ("a\nfox\r\n\tin   snow ", "a fox in snow"),
        ("\x1b[31mred\x07\x9b2J", "\ufffd[31mred\ufffd\ufffd2J"),
        ("[red]fox[/red]", "[red]fox[/red]"),
        ("\u202eabc\u2066\u200f", "abc"),
        ("\N{HEAVY BLACK HEART}\ufe0f \U0001f468\u200d\U0001f467", "\u2764 \U0001f468\U0001f467"),
        ("half \ud83d", "half \ufffd"),
        ("日本の狐", "日本の狐"),
        ("", "grok"),
        (" \n", "grok"),
        (7, "grok"),
        ("x" * 100_000, "x" * MAX_LENGTH),
    ],
)
def test_prompts(prompt: object, shown: str) -> None:
    """A prompt is shown on one line, harmlessly, or the model where there is none."""
    assert prompt_of(request(prompt)) == shown


def test_a_line_keeps_its_words() -> None:
    """Of a line only what moves the cursor or turns text around is replaced."""
    assert clean_line("a\u3000b/\U0001f468\u200d\U0001f467.mp4\u202e\n") == (
        "a\u3000b/\U0001f468\u200d\U0001f467.mp4\ufffd "
    )
    assert clean("a\u3000b") == "a b"
