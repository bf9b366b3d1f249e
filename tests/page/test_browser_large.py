"""Thousands of cards: the page opens, scrolls and filters without a stop."""

from typing import TYPE_CHECKING

import pytest

from tests.page.conftest import Opener
from tests.page.folders import Folder

if TYPE_CHECKING:
    from playwright.sync_api import Page

COUNT = 2000
LONG = 2.0
"""Seconds that no step may take, on a busy machine without a graphics card."""
FRAME = 0.2
"""Seconds that half of the frames may take there, each 400 pixels on."""


@pytest.fixture
def page(open_page: Opener, folder: Folder) -> "Page":
    """Two thousand videos, of which each third is upright."""
    folder.video("wide.mp4")
    folder.video("tall.mp4", 144, 256)
    for number in range(COUNT):
        name = "wide.mp4" if number % 3 else "tall.mp4"
        folder.add(
            f"fox {number} " + "in snow " * 9, number=number, files=[name], task_id=f"t{number}"
        )
    return open_page()


def test_scrolling_is_smooth(page: "Page") -> None:
    """Over some twenty-five screens no frame is late by much, and few videos exist at a time."""
    frames, loaded, height = page.evaluate("""async () => {
        const frame = () => new Promise(requestAnimationFrame);
        const frames = [];
        let most = 0, last = performance.now();
        for (let step = 0; step < 60; step++) {
            scrollBy(0, 400);
            last = await frame();
            frames.push((await frame() - last) / 1000);
            most = Math.max(most, document.querySelectorAll("video").length);
        }
        return [frames.sort((a, b) => a - b), most, scrollY];
    }""")
    assert height > 20_000
    assert 0 < loaded < 120
    assert frames[len(frames) // 2] < FRAME
    assert frames[-1] < LONG


def test_search_and_sort_are_quick(page: "Page") -> None:
    """Filtering and sorting two thousand cards take a moment each."""
    seconds = page.evaluate("""async () => {
        const measure = async action => {
            const begun = performance.now();
            action();
            document.body.offsetHeight;
            return (performance.now() - begun) / 1000;
        };
        const sort = document.getElementById("sort");
        return [
            await measure(() => { location.hash = "#q=1999"; dispatchEvent(new Event("hashchange")); }),
            await measure(() => { location.hash = "#"; dispatchEvent(new Event("hashchange")); }),
            await measure(() => { sort.value = "prompt"; sort.dispatchEvent(new Event("change")); }),
        ];
    }""")
    assert max(seconds) < LONG
    page.locator("#search").fill("fox 1999")
    page.get_by_text(f"1 of {COUNT}").wait_for()


def test_arrows_reach_the_end(page: "Page") -> None:
    """The last card is a key away from its neighbour, and seen."""
    page.locator(".card").last.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label.startswith(f"{COUNT}: ")
    assert page.evaluate("""() => {
        const box = document.activeElement.getBoundingClientRect();
        return box.top >= 0 && box.bottom <= innerHeight + 1;
    }""")
