"""What stands on a card, as HTML: all that is known, and nothing that is not text."""

import html
from pathlib import Path

import pytest

from tests.page.folders import Folder
from tests.page.written import written
from vidgo_async.page.cards import amount

HARD = '</script><img src=x onerror=alert(1)> "it\'s" &amp; 🦊 غروب\r\n\0' + "long " * 1000


async def test_a_card(tmp_path: Path) -> None:
    """A card has its prompt, model, seconds, credits, file, task id and other inputs."""
    folder = Folder(tmp_path)
    folder.add_video("a.mp4", "a fox", parameters={"duration": 6, "urls": ["http://x/y.png"]})
    page = await written(folder)
    assert page.of("prompt") == ["a fox"]
    assert page.of("model") == ["grok-imagine"]
    assert page.of("took") == ["took 38.2 s"]
    assert page.of("credits") == ["15 credits"]
    assert "<code>task-a.mp4</code>" in folder.page
    assert '<a href="a.mp4"><bdi>a.mp4</bdi></a>' in folder.page
    assert "<dt>duration</dt><dd>6</dd>" in folder.page
    assert "http://x/y.png" not in [*(each.get("src") for each in page.tag("img"))]
    (video,) = page.tag("video")
    assert (video["src"], video["preload"], "controls" in video) == ("a.mp4", "none", True)
    assert (video["width"], video["height"]) == ("256", "144")


async def test_texts_are_data(tmp_path: Path) -> None:
    """A prompt, a model, an error and a title come out as they went in, and make no tag."""
    folder = Folder(tmp_path)
    folder.add(
        HARD, model=HARD, state="failed", error=HARD, error_type=HARD, parameters={HARD: HARD}
    )
    page = await written(folder, title=HARD)
    shown = HARD.replace("\0", "\N{REPLACEMENT CHARACTER}")
    assert page.of("prompt")[0] == page.of("model")[0] == page.of("reason")[0] == shown
    assert not page.tag("img")
    assert len(page.tag("script")) == 1


async def test_half_a_character(tmp_path: Path) -> None:
    """A text that has no UTF-8 does not keep the page from being written."""
    folder = Folder(tmp_path)
    folder.add_line(r'{"state": "saved", "input": {"prompt": "a \ud83d"}, "files": ["\ud83d.mp4"]}')
    page = await written(folder)
    assert page.of("prompt") == ["a ?"]


async def test_names_with_meaning(tmp_path: Path) -> None:
    """Names with `#?%`, blanks, colons and folders lead to their files."""
    folder = Folder(tmp_path)
    elsewhere = tmp_path / "else where#"
    elsewhere.mkdir()
    names = ["a #1 50%? ü.mp4", "b:c.mp4", "sub/d&e.mp4", str(elsewhere / "f?.mp4")]
    for name in names:
        folder.add_video(name)
    page = await written(folder)
    hrefs = [video["src"] for video in page.tag("video")]
    assert hrefs == [
        "a%20%231%2050%25%3F%20%C3%BC.mp4",
        "b%3Ac.mp4",
        "sub/d%26e.mp4",
        (elsewhere / "f?.mp4").as_uri(),
    ]


@pytest.mark.parametrize(
    ("state", "error", "texts"),
    [
        ("failed", "too blurry", ["Failed", "too blurry", "TaskFailedError", "Nothing was paid."]),
        ("failed", None, ["Failed", "TaskFailedError", "Nothing was paid."]),
        ("unsaved", "too late", ["Not saved", "too late", "Paid for, and not saved yet."]),
        (
            "unknown",
            "cut",
            ["Unknown", "cut", "Check the account's history before you buy it again."],
        ),
    ],
)
async def test_what_is_not_saved(
    state: str, error: str | None, texts: list[str], tmp_path: Path
) -> None:
    """A card without a file says why, what was paid, and what to do."""
    folder = Folder(tmp_path)
    folder.add(
        "it's", state=state, error=error, error_type="TaskFailedError", task_id="t1", credits=None
    )
    await written(folder)
    notice = html.unescape(folder.page.split('class="notice"')[1].split("</div>")[0])
    for text in texts:
        assert text in notice
    again = "generate" if state == "failed" else "wait --out . t1"
    assert f"vidgo-async {again}" in folder.page
    assert ("credits unknown" in folder.page.split("<main")[1]) == (state != "failed")


async def test_a_failure_without_a_command(tmp_path: Path) -> None:
    """A request that cannot be typed is to be tried again where it came from."""
    folder = Folder(tmp_path)
    folder.add(state="failed", parameters={"image": "data:image/png;base64,AAA…"})
    await written(folder)
    assert "Try it again from where it was sent." in folder.page
    assert "vidgo-async generate" not in folder.page


async def test_a_failure_that_cost(tmp_path: Path) -> None:
    """A failed task that was charged for says so."""
    folder = Folder(tmp_path)
    folder.add(state="failed", credits=2.5)
    await written(folder)
    assert "Cost 2.5 credits." in folder.page


async def test_missing_files(tmp_path: Path) -> None:
    """A file that is not there is called missing, and has no player and no link."""
    folder = Folder(tmp_path)
    folder.add(files=["gone.mp4", "x" * 300 + ".mp4", "\0.mp4"])
    page = await written(folder)
    assert not page.tag("video")
    assert not page.tag("a")
    assert folder.page.count("<strong>Missing</strong>") == 3
    assert page.of("summary")[0].startswith("3 missing")


async def test_other_kinds(tmp_path: Path) -> None:
    """A sound has a player, a picture is loaded late, any other file is a link."""
    folder = Folder(tmp_path)
    folder.sound("a.wav")
    folder.picture("b.png")
    (tmp_path / "c.glb").write_bytes(b"a model")
    folder.add(None, files=["a.wav", "b.png", "c.glb"], credits=1)
    folder.add(number=2)
    page = await written(folder)
    assert page.tag("audio")[0]["preload"] == "none"
    assert page.tag("img")[0]["loading"] == "lazy"
    assert [link["href"] for link in page.tag("a")] == ["a.wav", "b.png", "c.glb"]
    assert page.of("none") == ["No prompt"]
    assert "1 credit<" in folder.page
    assert "No file was written down." in folder.page
    assert page.of("summary")[0] == "1 picture, 1 sound, 1 other file, 16 credits"


async def test_files_without_a_record(tmp_path: Path) -> None:
    """Other videos and pictures of the folder are shown too, after those with a record."""
    folder = Folder(tmp_path)
    folder.add_video("z.mp4")
    folder.add("b", state="failed", number=2)
    for name in ("b.MP4", "a.mp4", ".hidden.mp4"):
        folder.video(name)
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "notes.txt").write_text("nothing")
    page = await written(folder)
    assert [video["src"] for video in page.tag("video")] == ["z.mp4", "a.mp4", "b.MP4"]
    assert [card["data-state"] for card in page.tag("article")] == [
        "saved",
        "failed",
        "other",
        "other",
    ]
    assert page.of("none") == ["No record of this file"] * 2


async def test_media_alone(tmp_path: Path) -> None:
    """Media without `outcomes.jsonl` make a page."""
    Folder(tmp_path).picture("a.png")
    page = await written(Folder(tmp_path))
    assert page.of("summary")[0] == "1 picture"


async def test_times(tmp_path: Path) -> None:
    """When it ended is a number to sort by, if it can be read."""
    folder = Folder(tmp_path)
    folder.add("a")
    folder.add("b", ended_at="yesterday")
    folder.add("c", ended_at=None)
    page = await written(folder)
    assert [each.get("data-ended") for each in page.tag("article")] == ["1767261660", None, None]


async def test_long_inputs_are_shortened(tmp_path: Path) -> None:
    """A picture in an input does not fill the page; a long prompt does not fill a label."""
    folder = Folder(tmp_path)
    folder.add("fox " * 100, parameters={"image": "data:" + "A" * 1_000_000})
    page = await written(folder)
    assert len(folder.page) < 100_000
    assert len(page.tag("article")[0]["aria-label"] or "") < 120


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (15.0, "15"),
        (0.25, "0.25"),
        (1234567.5, "1,234,567.5"),
        (0.001, "0.001"),
        (100, "100"),
    ],
)
def test_amounts(value: float, text: str) -> None:
    """Numbers are short, and what cost something is not shown as nothing."""
    assert amount(value) == text
