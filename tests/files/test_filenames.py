"""File names made of what a server said: never a way out of the folder."""

import os
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidgo_async import MediaFile
from vidgo_async._files.filenames import file_name

URL = "https://a.example/x.mp4"
DEVICES = {"CON", "PRN", "AUX", "NUL"} | {
    f"{name}{n}" for name in ("COM", "LPT") for n in range(10)
}
ESCAPES = [
    "../../etc/passwd",
    "..",
    ".",
    "",
    " ",
    "/etc/passwd",
    "//server/share",
    "\\\\server\\share",
    "C:\\Windows\\x",
    "C:x",
    "a/../../b",
    "..\\..\\b",
    "%2e%2e%2fb",
    "a\0b",
    "a\nb",
    "\u202egnp.exe",
    "\ud800",
    "~",
    "~root",
    "$(reboot)",
    "con",
    "NUL",
    "nul.txt",
    "COM1",
    "lpt9.",
    ".bashrc",
    "x:stream",
    "x ",
    "x.",
    "a" * 300,
    "\u00fc" * 300,
    "<>|?*\"'",
]


def is_harmless(name: str, folder: Path) -> bool:
    """Return whether a name is one file in a folder, on this system and on Windows."""
    other = PureWindowsPath("C:/folder", name)
    return (
        os.path.normpath(folder / name) == str(folder / name)
        and (folder / name).parent == folder
        and other.parent == PureWindowsPath("C:/folder")
        and name.partition(".")[0].upper() not in DEVICES
        and name.isascii()
        and name.isprintable()
        and not set(name) & set('/\\:*?"<>| ')
        and name[0] != "."
        and name[-1] not in ". "
        and len(name) <= 200
    )


@pytest.mark.parametrize("words", ESCAPES)
def test_no_name_escapes_the_folder(words: str, tmp_path: Path) -> None:
    """Any task id and any URL become the name of one plain file in the folder."""
    files = [
        MediaFile(URL, None, words),
        MediaFile(f"https://a.example/x/{words}"),
        MediaFile(f"https://a.example/x/{words}.mp4?sig=a/b"),
        MediaFile(words, None, words),
    ]
    for file in files:
        for number in (1, 2):
            name = file_name(file, number)
            assert is_harmless(name, tmp_path)
            (tmp_path / name).touch()
            assert (tmp_path / name).is_file()


@given(st.text(), st.text(), st.integers(1, 999))
def test_any_text_makes_a_harmless_name(task_id: str, tail: str, number: int) -> None:
    """The same holds for any text at all."""
    for file in (MediaFile(f"http://a/{tail}", None, task_id), MediaFile(f"http://a/{tail}")):
        assert is_harmless(file_name(file, number), Path("/folder"))


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
def test_distinct_tasks_have_distinct_names(task_ids: list[str]) -> None:
    """Two tasks never share a name."""
    one, other = (file_name(MediaFile(URL, None, task_id)) for task_id in task_ids)
    assert one != other


def test_long_names_stay_distinct() -> None:
    """What is cut off a long name still counts."""
    names = {file_name(MediaFile(URL, None, "a" * 300 + end)) for end in ("", "b", "c")}
    assert len(names) == 3


@pytest.mark.parametrize(
    ("task_id", "url", "kind", "number", "name"),
    [
        ("abc", "https://a.example/x.mp4", "video", 1, "abc.mp4"),
        ("abc", "https://a.example/x.mp4", "video", 2, "abc+2.mp4"),
        ("abc", "https://a.example/x.WebM?sig=a.b/c.png#t", "video", 1, "abc.WebM"),
        ("abc", "https://a.example/x", None, 1, "abc.mp4"),
        ("abc", "https://a.example/x", "image", 1, "abc.png"),
        ("abc", "https://a.example", "video", 1, "abc.mp4"),
        ("abc", "https://a.com", "video", 1, "abc.mp4"),
        ("abc", "https://a.example/x.y/z", "video", 1, "abc.mp4"),
        ("abc", "https://a.example/x.toolong", "video", 1, "abc.mp4"),
        ("abc", "https://a.example/x.m%70", "video", 1, "abc.mp4"),
        ("abc", "https://a.example/x.", "video", 1, "abc.mp4"),
        ("abc", "https://[a/x.mov", "video", 1, "abc.mov"),
        ("a+2", "https://a.example/x.mp4", "video", 1, "a%2B2.mp4"),
        ("a%2Fb", "https://a.example/x.mp4", "video", 1, "a%252Fb.mp4"),
        ("a/b", "https://a.example/x.mp4", "video", 1, "a%2Fb.mp4"),
        ("..", "https://a.example/x.mp4", "video", 1, "%2E..mp4"),
        ("con", "https://a.example/x.mp4", "video", 1, "%63on.mp4"),
        (None, "https://a.example/x/a%20fox.png?sig=1", None, 1, "a%20fox.png"),
        (None, "https://a.example/x/fox", "image", 3, "fox+3.png"),
        (None, "https://a.example/x/.mp4", None, 1, "file.mp4"),
        (None, "https://a.example", None, 1, "file.mp4"),
    ],
)
def test_a_file_is_named_after_its_task_or_its_address(
    task_id: str | None, url: str, kind: str | None, number: int, name: str
) -> None:
    """It is called by its task's id, or else as its address ends."""
    assert file_name(MediaFile(url, kind, task_id), number) == name
