"""The page in Chromium: what plays, and what search, filters, sort and the hash show."""

from typing import TYPE_CHECKING

import pytest

from tests.page.conftest import Opener
from tests.page.folders import LATER, Folder
from tests.page.pages import (
    IS_PLAYING,
    card,
    is_muted,
    paused,
    shown,
    video_of,
    wait_for,
    wait_until,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

# --- What plays -----------------------------------------------------------------------------


@pytest.fixture
def three(folder: Folder) -> None:
    """Three videos in one row."""
    for number, name in enumerate(("one", "two", "three")):
        folder.add_video(f"{name}.mp4", name, number=number)


@pytest.mark.usefixtures("three")
def test_hover_plays_muted(open_page: Opener) -> None:
    """The pointer on a video plays it, muted; away from it, it stops; one at a time."""
    page = open_page()
    one, two = video_of(page, "one.mp4"), video_of(page, "two.mp4")
    card(page, "one.mp4").locator(".stage").hover()
    wait_for(one, IS_PLAYING)
    assert is_muted(one)
    card(page, "two.mp4").locator(".stage").hover()
    wait_for(two, IS_PLAYING)
    assert paused(page) == [True, False, True]
    page.mouse.move(2, 2)
    wait_for(two, "video => video.paused")


@pytest.mark.usefixtures("three")
def test_reduced_motion(open_page: Opener) -> None:
    """Where less motion is asked for, hovering and opening play nothing; a key does."""
    page = open_page(reduced_motion="reduce")
    moved = page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches")
    assert moved
    card(page, "one.mp4").locator(".stage").hover()
    page.evaluate("""async () => {
        for (let frame = 0; frame < 30; frame++) await new Promise(requestAnimationFrame);
    }""")
    assert paused(page) == [True] * 3
    card(page, "one.mp4").focus()
    page.keyboard.press("Enter")
    inside = page.locator("#viewer video")
    wait_for(inside, "video => video.readyState > 1")
    assert paused(page) == [True] * 4
    page.keyboard.press(" ")
    wait_for(inside, IS_PLAYING)


@pytest.mark.usefixtures("three")
def test_one_at_a_time(open_page: Opener, folder: Folder) -> None:
    """Whatever starts, by a key, by the large view or by a player: the other stops."""
    folder.sound("z.wav")
    page = open_page()
    card(page, "one.mp4").focus()
    page.keyboard.press(" ")
    wait_for(video_of(page, "one.mp4"), IS_PLAYING)
    assert not is_muted(video_of(page, "one.mp4"))
    card(page, "two.mp4").focus()
    page.keyboard.press(" ")
    wait_for(video_of(page, "two.mp4"), IS_PLAYING)
    assert paused(page) == [True, False, True]
    page.locator("audio").evaluate("audio => { audio.loop = true; return audio.play(); }")
    wait_for(video_of(page, "two.mp4"), "video => video.paused")
    page.keyboard.press("Enter")
    wait_for(page.locator("#viewer video"), IS_PLAYING)
    assert page.locator("audio").evaluate("audio => audio.paused")


# --- Search, filters, sort, hash ------------------------------------------------------------


@pytest.fixture
def mixed(folder: Folder) -> None:
    """Five cards of two models and three states."""
    folder.add("Red fox", number=1, credits=5, seconds=30, ended_at="2026-01-01T10:00:03Z")
    folder.add("blue lake", number=2, model="kling", credits=None, seconds=50)
    folder.add(
        "green fox", number=3, state="failed", error="too green", ended_at=None, seconds=None
    )
    folder.add("a lake", number=4, model="kling", state="unsaved", task_id="task-77", credits=20)
    folder.add("zebra", run=LATER, model="kling", credits=9, ended_at="2026-01-02T10:00:00Z")


def counts(page: "Page") -> list[str]:
    return page.locator("[data-filter]").all_inner_texts()


@pytest.mark.usefixtures("mixed")
def test_filters(open_page: Opener) -> None:
    """Buttons filter by state and model; each counts what it would show; the hash has both."""
    page = open_page()
    assert counts(page) == [
        "All 5",
        "Saved 3",
        "Failed 1",
        "Not saved 1",
        "grok-imagine 2",
        "kling 3",
    ]
    page.get_by_role("button", name="kling").click()
    assert shown(page) == ["zebra", "blue lake", "a lake"]
    assert counts(page) == [
        "All 3",
        "Saved 2",
        "Failed 0",
        "Not saved 1",
        "grok-imagine 2",
        "kling 3",
    ]
    page.get_by_role("button", name="Not saved").click()
    assert shown(page) == ["a lake"]
    assert page.evaluate("location.hash") == "#state=unsaved&model=kling"
    assert page.get_by_role("button", name="Not saved").get_attribute("aria-pressed") == "true"
    assert page.locator("#found").inner_text() == "1 of 5"
    page.get_by_role("button", name="kling").click()
    page.get_by_role("button", name="All").click()
    assert len(shown(page)) == 5
    assert page.evaluate("location.hash") == ""


@pytest.mark.usefixtures("mixed")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("FOX", ["Red fox", "green fox"]),
        ("lake a", ["blue lake", "a lake"]),
        ("fox green", ["green fox"]),
        ("task-77", ["a lake"]),
        ("too green", ["green fox"]),
        ("kling zeb", ["zebra"]),
        ("credits", []),
    ],
)
def test_search(words: str, found: list[str], open_page: Opener) -> None:
    """Each word is searched for in prompts, models, task ids and reasons."""
    page = open_page()
    page.locator("#search").fill(words)
    wait_until(page, "location.hash.includes('q=')")
    assert shown(page) == found
    expected = f"{len(found)} of 5" if found else "Nothing matches."
    assert page.locator("#found").inner_text() == expected


@pytest.mark.usefixtures("mixed")
def test_search_waits_for_the_last_key(open_page: Opener) -> None:
    """Keys that follow each other quickly make one search."""
    page = open_page()
    page.evaluate("""() => {
        window.changes = [];
        new MutationObserver(() => changes.push(location.hash))
            .observe(document.getElementById("found"), { childList: true });
        const search = document.getElementById("search");
        for (const text of ["f", "fo", "fox"]) {
            search.value = text;
            search.dispatchEvent(new Event("input"));
        }
    }""")
    wait_until(page, "location.hash === '#q=fox'")
    assert page.evaluate("changes") == ["#q=fox"]


@pytest.mark.usefixtures("mixed")
def test_the_hash_is_read(open_page: Opener) -> None:
    """A page that is opened with a hash, or given another, shows what that says."""
    page = open_page(hash_="#q=fox&state=saved&sort=prompt")
    assert shown(page) == ["Red fox"]
    assert page.locator("#search").input_value() == "fox"
    assert page.locator("#sort").input_value() == "prompt"
    page.evaluate("location.hash = '#model=kling&state=nonsense&sort=constructor'")
    wait_until(page, "document.getElementById('search').value === ''")
    assert shown(page) == ["zebra", "blue lake", "a lake"]


@pytest.mark.usefixtures("mixed")
def test_sort(open_page: Opener) -> None:
    """Cards are put in each order; those of which it is not known come last."""
    page = open_page()
    orders = {
        "newest": ["zebra", "blue lake", "a lake", "Red fox", "green fox"],
        "oldest": ["Red fox", "blue lake", "a lake", "zebra", "green fox"],
        "slowest": ["blue lake", "zebra", "a lake", "Red fox", "green fox"],
        "dearest": ["a lake", "green fox", "zebra", "Red fox", "blue lake"],
        "prompt": ["a lake", "blue lake", "green fox", "Red fox", "zebra"],
        "": ["Red fox", "zebra", "blue lake", "green fox", "a lake"],
    }
    for order, expected in orders.items():
        page.locator("#sort").select_option(order)
        assert shown(page) == expected
