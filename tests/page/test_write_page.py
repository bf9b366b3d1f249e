"""The page as a file: its heading, its policy, and which files it replaces."""

import base64
import hashlib
import re
from pathlib import Path

import pytest

from tests.page.folders import LATER, Folder
from tests.page.written import written
from vidgo_async.page import write_page
from vidgo_async.page.document import GENERATOR


@pytest.mark.parametrize("name", [".", "none", "file.txt"])
async def test_nothing_to_show(name: str, tmp_path: Path) -> None:
    """Without records and media there is no page, and the error says so."""
    (tmp_path / "file.txt").write_text("nothing")
    with pytest.raises(ValueError, match=r"neither outcomes\.jsonl nor any video"):
        await write_page(tmp_path / name)
    assert Folder(tmp_path).names == ["file.txt"]


async def test_no_readable_record(tmp_path: Path) -> None:
    """A batch that wrote nothing readable yet has a page that says so."""
    folder = Folder(tmp_path)
    folder.add_line("{")
    await written(folder)
    assert "No record could be read yet." in folder.page


@pytest.mark.parametrize(
    ("records", "summary"),
    [
        ([("saved", 15), ("saved", 0.5)], "15.5 credits"),
        ([("saved", 15), ("unsaved", None)], "1 not saved, at least 15 credits"),
        ([("saved", 15), ("failed", None)], "1 failed, 15 credits"),
        ([("saved", None), ("unknown", None)], "1 unknown, credits unknown"),
        ([("failed", None), ("failed", None)], "2 failed"),
        ([("saved", 1200), ("saved", 0.1), ("saved", 0.2)], "1,200.3 credits"),
        ([("saved", 1)], "1 credit"),
    ],
)
async def test_the_sum(
    records: list[tuple[str, float | None]], summary: str, tmp_path: Path
) -> None:
    """The heading counts states and credits; an unknown cost is never taken for nothing."""
    folder = Folder(tmp_path)
    for number, (state, cost) in enumerate(records):
        folder.add(f"fox {number}", state=state, credits=cost)
    page = await written(folder)
    assert page.of("summary")[0].removeprefix("nothing yet, ") == summary


async def test_the_title(tmp_path: Path) -> None:
    """The window's title counts; the heading is the folder's name, or what was given."""
    folder = Folder(tmp_path / "foxes")
    folder.path.mkdir()
    folder.add_video("a.mp4")
    folder.add_video("b.mp4", number=2)
    folder.add("c", state="failed")
    await written(folder)
    assert "<title>foxes: 2 videos, 1 failed</title>" in folder.page
    await written(folder, title="All foxes")
    assert "<h1><bdi>All foxes</bdi></h1>" in folder.page


async def test_buttons(tmp_path: Path) -> None:
    """There is a button for each state and model, with its count."""
    folder = Folder(tmp_path)
    folder.add("a")
    folder.add("b", model="kling")
    folder.add("c", state="failed")
    folder.add("d", model="", run=LATER)
    page = await written(folder)
    found = [
        (each["data-filter"], each["data-value"])
        for each in page.tag("button")
        if "data-filter" in each
    ]
    expected = ["saved", "failed"], ["grok-imagine", "kling"]
    assert found == [
        ("state", ""),
        *(("state", each) for each in expected[0]),
        *(("model", each) for each in expected[1]),
    ]
    assert 'Saved <span class="count">3</span>' in folder.page
    assert 'grok-imagine <span class="count">2</span>' in folder.page
    assert "model unknown" in folder.page


async def test_what_it_may_load(tmp_path: Path) -> None:
    """The policy allows this one style and script by their digests, and files near the page."""
    folder = Folder(tmp_path)
    folder.add()
    page = await written(folder)
    policy = next(each["content"] for each in page.tag("meta") if "http-equiv" in each)
    assert policy is not None
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", folder.page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert not [
        name for _, attrs in page.tags for name in attrs if name.startswith("on") or name == "style"
    ]
    assert "http://" not in folder.page.replace("http://x", "")
    assert "https://" not in folder.page


async def test_a_page_is_replaced(tmp_path: Path) -> None:
    """A page of ours is replaced, and nothing else is left in the folder."""
    folder = Folder(tmp_path)
    folder.add("first")
    await written(folder)
    folder.add("second", number=2)
    page = await written(folder)
    assert page.of("prompt") == ["first", "second"]
    assert Folder(tmp_path).names == ["index.html", "outcomes.jsonl"]


@pytest.mark.parametrize("content", ["<h1>mine</h1>", "", "x" * 9999 + GENERATOR])
async def test_other_pages_are_kept(content: str, tmp_path: Path) -> None:
    """An `index.html` of another hand is not touched."""
    folder = Folder(tmp_path)
    folder.add()
    (tmp_path / "index.html").write_text(content)
    with pytest.raises(FileExistsError, match="was not written by vidgo_async"):
        await write_page(tmp_path)
    assert folder.page == content
    assert Folder(tmp_path).names == ["index.html", "outcomes.jsonl"]


async def test_a_folder_of_that_name(tmp_path: Path) -> None:
    """A folder named `index.html` is not ours either."""
    Folder(tmp_path).add()
    (tmp_path / "index.html").mkdir()
    with pytest.raises(FileExistsError, match="was not written by vidgo_async"):
        await write_page(tmp_path)


async def test_a_write_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves the page that was there, and no half of another."""
    folder = Folder(tmp_path)
    folder.add("first")
    await written(folder)
    before = folder.page
    folder.add("second")

    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        await write_page(tmp_path)
    assert folder.page == before
    assert Folder(tmp_path).names == ["index.html", "outcomes.jsonl"]
