"""File names of any text: readable, and harmless on any system."""

import ntpath
import os
import sys
import unicodedata
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidgo_async._files.stems import EMPTY, MAX_BYTES, MAX_SLUG, safe_stem, slug


def is_reserved(name: str) -> bool:
    """Tell whether Windows takes a name for a device, or refuses it."""
    if sys.version_info >= (3, 13):
        return ntpath.isreserved(name)
    return PureWindowsPath(name).is_reserved()


NASTY = st.text(
    st.sampled_from("ab .-/\\:con1\u0301\u200d\u200b\u202e\ufe0f\ud800\0\n\u3164é狐")
    | st.characters(),
    max_size=80,
)
LONG = st.text(
    st.sampled_from("a .狐é\u0301\u200d\ufe0f👩🚀🏽🇩🇪\u1100\u1161") | st.characters(), max_size=300
)
ASTRONAUT = "👩🏽\u200d🚀"


def is_harmless(stem: str) -> bool:
    """Return whether a stem is one file in a folder, on this system and on Windows."""
    name = stem + ".mp4"
    return (
        os.path.normpath(Path("/folder") / name) == f"/folder/{name}"
        and PureWindowsPath("C:/folder", name).parent == PureWindowsPath("C:/folder")
        and not is_reserved(name)
        and not set(stem) & set('<>:"/\\|?*')
        and all(unicodedata.category(each) not in {"Cc", "Cs"} for each in stem)
        and stem[0] not in ".- "
        and stem[-1] not in ". "
        and len(stem.encode()) <= MAX_BYTES
        and unicodedata.is_normalized("NFC", stem)
    )


@given(st.text() | NASTY | LONG)
def test_any_text_makes_a_harmless_stem(text: str) -> None:
    """Any text gives the name of one file in the folder, within the limit, and safe to repeat."""
    stem = safe_stem(text)
    assert is_harmless(stem)
    assert safe_stem(stem) == stem


@given(NASTY, st.integers(0, 9))
def test_names_can_be_created(text: str, number: int) -> None:
    """The system takes the bytes of any such name, with a number and a suffix behind it."""
    name = os.fsencode(f"{safe_stem(text)}-{number}.mp4")
    assert len(name) <= 143
    assert b"/" not in name
    assert b"\0" not in name


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ("a fox in snow", "a fox in snow"),
        ("  a \t\n fox\u2028in\u00a0snow ", "a fox in snow"),
        ("../../etc/passwd", "etc-passwd"),
        ("..", EMPTY),
        ("", EMPTY),
        (" - ", EMPTY),
        ("---", EMPTY),
        ("\u0301", EMPTY),
        ("\u3164\u2800", EMPTY),
        ("\u200d", EMPTY),
        ("/etc/passwd", "etc-passwd"),
        ("C:\\Windows\\x", "C--Windows-x"),
        ('a<b>c"d|e?f*g', "a-b-c-d-e-f-g"),
        ("a\0b\x07c\x7fd", "a-b-c-d"),
        ("a\ud800b\udcff", "a-b-"),
        ("a\ue000b\uffff", "a-b-"),
        ("\u202egnp.exe", "gnp.exe"),
        ("a\u200b\u2066b\u00ad", "ab"),
        ("e\u200b\u0301", "é"),
        ("~root", "~root"),
        ("-rf", "rf"),
        (".bashrc", "bashrc"),
        ("x . .", "x"),
        ("con", "_con"),
        ("CON.x", "_CON.x"),
        ("nul .x", "_nul .x"),
        ("com1", "_com1"),
        ("LPT\u00b9.x", "_LPT\u00b9.x"),
        ("conin$", "_conin$"),
        ("_con", "_con"),
        ("console", "console"),
        ("com", "com"),
        (f"{ASTRONAUT} flies", f"{ASTRONAUT} flies"),
        ("a\u200db\u200d", "ab"),
        ("🚀\u200d\u200d🚀", "🚀🚀"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u062e\u0648\u0627\u0647\u0645",
        ),
        ("fox.mp4", "fox.mp4"),
    ],
)
def test_what_a_text_becomes(text: str, stem: str) -> None:
    """It is kept where it is harmless, and the rest is replaced or left out."""
    assert safe_stem(text) == stem


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ("a" * 500, "a" * 120),
        ("a" * 119 + "é", "a" * 119),
        ("狐" * 100, "狐" * 40),
        ("a" * 118 + ". b", "a" * 118),
        ("a" * 115 + ASTRONAUT, "a" * 115),
        ("a" * 100 + ASTRONAUT, "a" * 100 + ASTRONAUT),
        ("a" * 114 + "👩" + "🏽", "a" * 114),
        ("a" * 118 + "x\u0331\u0331", "a" * 118),
        ("a" * 112 + "🇩🇪", "a" * 112 + "🇩🇪"),
        ("a" * 115 + "🇩🇪", "a" * 115),
        ("a" * 104 + "🇩🇪" * 3, "a" * 104 + "🇩🇪" * 2),
        ("🇩" + "a" * 200, "🇩" + "a" * 116),
        ("🇩🇪" * 30, "🇩🇪" * 15),
        ("x" + "\u0331" * 100, "x" + "\u0331" * 59),
        ("con." + "a" * 200, "_con." + "a" * 115),
    ],
)
def test_long_texts_are_cut_by_bytes(text: str, stem: str) -> None:
    """The cut is before a whole character: no letter without its marks, no half of an emoji."""
    assert safe_stem(text) == stem


def test_a_sequence_longer_than_a_name_is_cut_all_the_same() -> None:
    """Where one emoji sequence fills the name, it is cut between its parts, without a joiner."""
    stem = safe_stem("👩\u200d" * 100 + "👩")
    assert 0 < len(stem.encode()) <= MAX_BYTES
    assert not stem.endswith("\u200d")
    assert safe_stem(stem) == stem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A fox in snow!", "a-fox-in-snow"),
        ("  --a__fox,  10 s ", "a-fox-10-s"),
        ("Füchse & Äpfel", "füchse-äpfel"),
        ("e\u0301te\u0301", "été"),
        ("\uff21\uff11 \ufb01x", "a1-fix"),
        ("狐狸 在雪地里", "狐狸-在雪地里"),
        ("हिन्दी में", "हिन्दी-में"),
        ("soft\u00adhyphen \u202efox", "softhyphen-fox"),
        ("❤\ufe0f 🚀", ""),
        ("❤\u0301 fox", "fox"),
        ("\U000e0100\u3164", ""),
        ("a\ud800\0b", "a-b"),
        ("", ""),
        ("word " * 30, "-".join(["word"] * 12)),
        ("a" * 59 + " bcd", "a" * 59),
        ("a" * 60 + " bcd", "a" * 60),
        ("a" * 40 + " " + "b" * 40, "a" * 40),
        ("4K " + "狐" * 40, "4k-" + "狐" * 19),
        ("a" * 100, "a" * 60),
    ],
)
def test_slugs(text: str, words: str) -> None:
    """Words of any script in lower case, cut at the end of one unless that leaves too little."""
    assert slug(text) == words


@given(st.text() | NASTY | LONG)
def test_any_text_makes_a_slug(text: str) -> None:
    """A slug has no more than its bytes, single dashes, and is a harmless stem if it is not empty."""
    words = slug(text)
    assert len(words.encode()) <= MAX_SLUG
    assert "--" not in words
    assert words == words.strip("-")
    assert not words or is_harmless(safe_stem(words))


def test_of_a_huge_text_the_beginning_is_enough() -> None:
    """A text of megabytes costs no more than a short one."""
    assert safe_stem("fox " * 10**6).startswith("fox fox")
    assert slug("fox " * 10**6).startswith("fox-fox")
