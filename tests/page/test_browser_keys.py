"""Keys, copying, the large view, and what those need who do not see or do not use a mouse."""

import shlex
from typing import TYPE_CHECKING, Any

import pytest

from tests.page.conftest import Opener
from tests.page.folders import Folder
from tests.page.pages import HARD, IS_PLAYING, card, is_muted, video_of, wait_for, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def page(open_page: Opener, folder: Folder) -> "Page":
    """Nine cards in rows of different counts, the last with a picture."""
    sizes = [(256, 144), (144, 256), (144, 144)]
    for number in range(8):
        size = sizes[number % 3]
        folder.add_video(f"{number}.mp4", f"fox {number}", number=number, size=size)
    folder.picture("8.png")
    folder.add("fox 8", number=8, files=["8.png"])
    return open_page()


def focused(page: "Page") -> str:
    """Return the prompt of the card that has the focus, or the id of another element."""
    return str(
        page.evaluate("""() => {
        const element = document.activeElement;
        return element.matches(".card") ? element.querySelector(".prompt").innerText : element.id;
    }""")
    )


def place(page: "Page", prompt: str) -> tuple[float, int]:
    """Return the middle and the top of a card."""
    middle, top = card(page, prompt).evaluate(
        "c => [c.offsetLeft + c.offsetWidth / 2, c.offsetTop]"
    )
    return middle, top


def test_arrows(page: "Page") -> None:
    """Left and right go card by card; up and down go to the nearest card of the next row."""
    page.keyboard.press("ArrowRight")
    assert focused(page) == "fox 0"
    for key, expected in [("ArrowRight", "fox 1"), ("ArrowRight", "fox 2"), ("ArrowLeft", "fox 1")]:
        page.keyboard.press(key)
        assert focused(page) == expected
    places = {f"fox {number}": place(page, f"fox {number}") for number in range(9)}
    middle, top = places["fox 1"]
    second = min(y for _, y in places.values() if y > top)
    distances = {prompt: abs(x - middle) for prompt, (x, y) in places.items() if y == second}
    assert len(distances) > 1
    page.keyboard.press("ArrowDown")
    assert focused(page) == min(distances, key=lambda prompt: distances[prompt])
    page.keyboard.press("ArrowUp")
    assert places[focused(page)][1] == top
    page.keyboard.press("ArrowUp")
    assert places[focused(page)][1] == top


def test_arrows_skip_what_is_hidden(page: "Page") -> None:
    """Arrows go through the cards that the search left."""
    page.locator("#search").fill("fox 8")
    wait_until(page, "location.hash.includes('q=')")
    page.locator("#mute").focus()
    page.keyboard.press("ArrowDown")
    assert focused(page) == "fox 8"
    page.keyboard.press("ArrowRight")
    assert focused(page) == "fox 8"


def test_space_and_m(page: "Page") -> None:
    """Space plays and pauses the card that has the focus; m mutes it, and what plays next."""
    video = video_of(page, "0.mp4")
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    wait_for(video, IS_PLAYING)
    assert not is_muted(video)
    page.keyboard.press("m")
    assert is_muted(video)
    assert page.locator("#mute").get_attribute("aria-pressed") == "true"
    page.keyboard.press(" ")
    wait_for(video, "video => video.paused")
    assert page.evaluate("scrollY") == 0
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    wait_for(video_of(page, "1.mp4"), IS_PLAYING)
    assert is_muted(video_of(page, "1.mp4"))
    page.locator("#mute").click()
    assert not is_muted(video_of(page, "1.mp4"))


def test_the_large_view(page: "Page") -> None:
    """Enter opens a card with its whole text, arrows go on, Esc closes: the focus is there."""
    viewer = page.locator("#viewer")
    wait_for(video_of(page, "0.mp4"), "video => video.readyState > 0")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    wait_for(viewer.locator("video"), IS_PLAYING)
    assert viewer.locator("video").get_attribute("controls") is not None
    assert "1 of 9" in viewer.inner_text()
    assert "task-0.mp4" in viewer.inner_text()
    page.keyboard.press(" ")
    wait_for(viewer.locator("video"), "video => video.paused")
    page.keyboard.press("ArrowRight")
    assert viewer.locator(".prompt").inner_text() == "fox 1"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    viewer.get_by_role("button", name="Next").click()
    assert viewer.locator(".prompt").inner_text() == "fox 2"
    page.keyboard.press("Escape")
    wait_until(page, "document.activeElement.ariaLabel?.startsWith('3: fox 2')")
    assert viewer.locator("video").count() == 0


def test_a_click_opens(page: "Page") -> None:
    """A click on a video or a picture opens it large, and a button closes it."""
    page.locator(".stage", has=page.locator("img")).click()
    image = page.locator("#viewer img")
    wait_for(image, "image => image.complete && image.naturalWidth === 60")
    page.get_by_role("button", name="Close").click()
    wait_until(page, "document.activeElement.ariaLabel?.startsWith('9: fox 8')")


def test_typing_is_not_taken(page: "Page") -> None:
    """A slash leads to the search; what is typed there is text; Esc clears it, and leaves."""
    page.keyboard.press("ArrowRight")
    page.keyboard.press("/")
    assert focused(page) == "search"
    page.keyboard.type("m /fox")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert page.locator("#search").input_value() == "m /fox"
    assert page.locator("#mute").get_attribute("aria-pressed") == "false"
    assert page.locator("#viewer").is_hidden()
    page.keyboard.press("Escape")
    assert page.locator("#search").input_value() == ""
    assert page.locator(".card:visible").count() == 9
    page.keyboard.press("Escape")
    assert focused(page) == "fox 0"


def test_controls_keep_their_keys(page: "Page") -> None:
    """Space and Enter press a button; a select keeps its arrows; Ctrl with a key is not ours."""
    card(page, "fox 0").locator(".copy").focus()
    page.keyboard.press(" ")
    page.get_by_text("Copied").wait_for()
    assert video_of(page, "0.mp4").evaluate("video => video.paused")
    page.keyboard.press("Enter")
    assert page.locator("#viewer").is_hidden()
    page.locator("#sort").focus()
    page.keyboard.press("ArrowDown")
    assert focused(page) == "sort"
    page.locator("#mute").focus()
    page.keyboard.press("Control+m")
    assert page.locator("#mute").get_attribute("aria-pressed") == "false"


def test_a_player_keeps_its_keys(page: "Page") -> None:
    """In the large view the player's own arrows seek, and its space pauses once, not twice."""
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    video = page.locator("#viewer video")
    wait_for(video, IS_PLAYING)
    video.focus()
    page.keyboard.press(" ")
    wait_for(video, "video => video.paused")
    page.keyboard.press("ArrowRight")
    assert page.locator("#viewer .prompt").inner_text() == "fox 0"


def test_copy(open_page: Opener, folder: Folder) -> None:
    """A button copies the whole prompt, as it was; another the command."""
    folder.add(HARD, state="failed", parameters={"n": 2})
    page = open_page()
    assert copied_by(page, ".card [aria-label='Copy prompt']") == HARD
    command = copied_by(page, ".card [aria-label='Copy command']")
    assert shlex.split(command)[2:] == [
        HARD,
        *["--model", "grok-imagine", "--set", "n=2", "--out", "."],
    ]
    page.locator(".card").focus()
    page.keyboard.press("Enter")
    assert copied_by(page, "#viewer [aria-label='Copy prompt']") == HARD


def copied_by(page: "Page", button: str) -> str:
    """Return what a button copies."""
    page.evaluate("navigator.clipboard.writeText('')")
    page.locator("#told").evaluate("told => told.replaceChildren()")
    page.locator(button).click()
    wait_until(page, "document.getElementById('told').textContent === 'Copied'")
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_copy_without_a_clipboard(open_page: Opener, folder: Folder) -> None:
    """Where the clipboard's new kind is refused, in the large view too, the old one is used."""
    folder.add("a fox")
    page = open_page()
    page.evaluate("void (navigator.clipboard.writeText = () => Promise.reject(new Error('no')))")
    page.locator(".card").focus()
    page.keyboard.press("Enter")
    page.locator("#viewer .copy").first.click()
    wait_until(page, "document.getElementById('told').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == "a fox"
    assert page.evaluate("document.activeElement.className") == "copy"


def test_the_focus_is_seen(page: "Page") -> None:
    """Whatever has the focus by a key has an outline."""
    for _ in range(25):
        page.keyboard.press("Tab")
        outline = page.evaluate("""() => {
            const style = getComputedStyle(document.activeElement);
            return [style.outlineStyle, parseFloat(style.outlineWidth)];
        }""")
        assert outline[0] != "none"
        assert outline[1] >= 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1440])
def test_accessibility(scheme: str, width: int, open_page: Opener, folder: Folder) -> None:
    """Axe finds nothing, in the grid and in the large view, light and dark."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    folder.add_video("a.mp4", parameters={"duration": 6})
    folder.picture("b.png")
    folder.sound("c.wav")
    folder.add("pictures", number=2, files=["b.png", "gone.png", "c.wav"])
    for number, state in enumerate(("failed", "unsaved", "unknown"), 3):
        folder.add(
            state, number=number, state=state, error="a reason", error_type="E", task_id=state
        )
    folder.video("z.mp4")
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    assert found(axe, page) == []
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert found(axe, page) == []


def found(axe: Any, page: "Page") -> list[str]:
    """Return what axe finds, with the place."""
    violations = axe.run(page).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in violations for node in each["nodes"]]
