"""A page in a browser: its cards, and waiting for what becomes of them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

TIMEOUT = 10_000
"""Milliseconds until what a test waits for must be there."""
HARD = '</script><img src=x onerror=alert(1)>\n"it\'s" 🦊 غروب ' + "long " * 990
IS_PLAYING = "video => !video.paused && video.currentTime > 0"


def wait_for(locator: "Locator", condition: str) -> None:
    """Wait until a function of an element is true.

    Playwright's own `wait_for_function` evaluates text in the page, which its policy forbids.
    """
    locator.evaluate(f"""async element => {{
        const condition = {condition}, begun = performance.now();
        while (!condition(element)) {{
            if (performance.now() - begun > {TIMEOUT}) throw new Error("it did not come true");
            await new Promise(done => setTimeout(done, 10));
        }}
    }}""")


def wait_until(page: "Page", condition: str) -> None:
    """Wait until an expression is true."""
    wait_for(page.locator("body"), f"() => {condition}")


def card(page: "Page", text: str) -> "Locator":
    """Find a card by a text in it."""
    return page.locator(".card", has_text=text)


def video_of(page: "Page", text: str) -> "Locator":
    return card(page, text).locator("video")


def is_muted(locator: "Locator") -> bool:
    return bool(locator.evaluate("video => video.muted"))


def shown(page: "Page") -> list[str]:
    """Return the prompts that are seen, in their order."""
    return page.locator(".card:visible .prompt").all_text_contents()


def paused(page: "Page") -> list[bool]:
    return [bool(each.evaluate("video => video.paused")) for each in page.locator("video").all()]
