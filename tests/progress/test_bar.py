"""The bar and its lines: they fit any terminal, in any encoding."""

import re

import pytest
from rich.cells import cell_len

from tests.progress.terminal import Terminal
from vidgo_async.progress.bar import Bar, cut
from vidgo_async.progress.output import Output
from vidgo_async.progress.snapshot import Credits, InFlight, Snapshot

PROMPTS = [
    "a fox in snow, with a very long description of the snow, the fox and the light " * 3,
    "日本の狐が雪の中で踊っている" * 10,
    "\U0001f98a\U0001f468\U0001f467\U0001f44d\U0001f3fd" * 20,
    "مرحبا بالعالم " * 10,
    "e\u0301" * 100,
    "[red]fox[/red] [link=x]y[/link] :fox:",
]
FULL = Snapshot(
    500,
    20,
    5,
    16,
    per_minute=12.0,
    credits=Credits(1234.5, is_complete=True),
    newest=tuple(InFlight("not_started", 100, prompt) for prompt in PROMPTS),
)


def bar(encoding: str = "utf-8") -> Bar:
    return Bar(Output(Terminal(encoding=encoding)))


def plain(line: str) -> str:
    """Remove colours."""
    return re.sub("\x1b\\[[0-9;]*m", "", line)


def shown(
    snapshot: Snapshot, columns: int = 79, rows: int = 22, encoding: str = "utf-8"
) -> list[str]:
    return [plain(line) for line in bar(encoding).lines(snapshot, columns, rows)]


def test_wide_terminal() -> None:
    """At 80 columns there are a free line, a bar, the counts and the tasks."""
    assert shown(FULL)[:4] == [
        "",
        "━━━" + "─" * 57 + "   5%  25 of 500",
        "20 done, 5 failed, 16 in flight, 459 queued, about 40 min left, 12 a minute",
        "1,234.5 credits",
    ]
    assert shown(FULL)[4].startswith("  not_started 100% a fox in snow, with")
    assert shown(FULL)[-1] == "  not_started 100% [red]fox[/red] [link=x]y[/link] :fox:"


def test_40_columns() -> None:
    """At 40 columns the counts take more lines, and prompts are cut."""
    assert shown(FULL, 39)[1:7] == [
        "━" + "─" * 22 + "   5%  25 of 500",
        "20 done, 5 failed, 16 in flight",
        "459 queued, about 40 min left",
        "12 a minute, 1,234.5 credits",
        "  not_started 100% a fox in snow, wi...",
        "  not_started 100% 日本の狐が雪の中...",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii", "cp437"])
@pytest.mark.parametrize("rows", [0, 1, 3, 6, 22])
def test_fits_everywhere(rows: int, encoding: str) -> None:
    """No line is too wide and there are not too many, at any width; no character is refused."""
    for columns in range(130):
        lines = shown(FULL, columns, rows, encoding)
        assert len(lines) <= rows
        assert max(map(cell_len, lines), default=0) <= max(1, columns)
        assert "".join(lines).encode(encoding) is not None


def test_low_terminal() -> None:
    """In a low terminal the bar and the counts come first, without a free line."""
    assert [line[-9:] for line in shown(FULL, 79, 2)] == ["25 of 500", " a minute"]


def test_narrowest_terminal() -> None:
    """Where no bar has room the count is there."""
    assert shown(FULL, 20, 3)[0] == "5%  25 of 500"


def test_unknown_total() -> None:
    """Without a total there is no bar, only counts."""
    assert shown(Snapshot(None, 20, 1, 16)) == ["", "20 done, 1 failed, 16 in flight"]


def test_more_ended_than_said() -> None:
    """A total that is too small fills the bar."""
    assert shown(Snapshot(10, 20, 0, 0))[1] == "━" * 60 + " 100%  20 of 10"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_plain_characters(encoding: str) -> None:
    """Where the encoding has no lines to draw, the bar is of number signs."""
    lines = shown(FULL, 79, 22, encoding)
    assert lines[1] == "###" + "-" * 57 + "   5%  25 of 500"
    assert lines[5].startswith("  not_started 100% ??????")


def test_colours() -> None:
    """Done is green and failed is red, and with NO_COLOR neither is."""
    assert "\x1b[31m" in (line := bar().lines(FULL, 79, 22)[1])
    assert "\x1b[32m" in line


def test_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR no colour is there, and the two parts of the bar still differ."""
    monkeypatch.setenv("NO_COLOR", "1")
    text = "".join(bar().lines(FULL, 79, 22))
    assert not re.findall("\x1b\\[[0-9;]*3[0-9]m", text)
    assert "━━━" in text
    assert "───" in text


@pytest.mark.parametrize(
    ("columns", "expected"),
    [(9, "狐が雪..."), (8, "狐が..."), (2, ".."), (0, ""), (14, "狐が雪の中で踊")],
)
def test_cut(columns: int, expected: str) -> None:
    """A text is cut by its columns, of which a wide character takes two."""
    found = cut("狐が雪の中で踊", columns)
    assert found == expected or cell_len(found) <= columns
    assert found.replace(" ", "") == expected
