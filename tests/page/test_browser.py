"""The page in Chromium: what is seen, and what is loaded."""

import threading
from collections.abc import Iterator
from typing import Any

import av
import pytest

from tests.page.conftest import Opener
from tests.page.folders import Folder
from tests.page.pages import HARD, card, video_of, wait_for
from tests.page.servers import Server

# --- What is seen ---------------------------------------------------------------------------


def test_a_card_shows_what_is_known(open_page: Opener, folder: Folder) -> None:
    """Prompt, model, seconds, credits, task id and file are seen; other inputs on a click."""
    folder.add_video("a.mp4", parameters={"duration": 6})
    folder.add(state="failed", error="too blurry", number=2)
    page = open_page()
    texts = card(page, "a.mp4").inner_text()
    for text in ("a fox", "grok-imagine", "took 38.2 s", "15 credits", "task-a.mp4", "a.mp4"):
        assert text in texts
    page.get_by_text("Details").first.click()
    assert "duration" in card(page, "a.mp4").inner_text()
    failed = card(page, "too blurry").inner_text()
    assert "vidgo-async generate 'a fox' --model grok-imagine --out ." in failed
    assert page.title().endswith(": 1 video, 1 failed")


def test_texts_are_data(open_page: Opener, folder: Folder) -> None:
    """Markup in a prompt of 5,000 characters is text; each prompt has its own direction."""
    folder.add(HARD, state="failed", error=HARD)
    folder.add("غروب الشمس", number=2)
    page = open_page()
    assert len(HARD) > 4900
    assert page.locator(".prompt").first.evaluate("p => p.textContent") == HARD
    assert page.locator("img").count() == 0
    directions = page.locator(".prompt").evaluate_all(
        "all => all.map(p => getComputedStyle(p).direction)"
    )
    assert directions == ["ltr", "rtl"]
    height = page.locator(".card").first.bounding_box()
    assert height is not None
    assert height["height"] < 800  # a long prompt is cut off here, and whole in the large view


@pytest.mark.parametrize("asked", [None, "1:1"])
@pytest.mark.parametrize("size", [(256, 144), (144, 256), (144, 144), (576, 144)])
def test_videos_have_their_own_shape(
    asked: str | None, size: tuple[int, int], open_page: Opener, folder: Folder
) -> None:
    """A video is as wide and high as it is, before and after it is loaded, whatever was asked."""
    folder.add_video("a.mp4", size=size, parameters={"aspect_ratio": asked})
    page = open_page()
    video = page.locator("video")
    wait_for(video, "video => video.readyState > 0")
    box = video.bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(size[0] / size[1], rel=0.02)


def test_a_shape_that_only_the_browser_knows(open_page: Opener, folder: Folder) -> None:
    """A WebM, whose shape is not read, has what was asked for first and its own one later."""
    path = folder.path / "a.webm"
    with av.open(path, "w") as file:
        stream: Any = file.add_stream("libvpx", rate=12)
        stream.width, stream.height, stream.pix_fmt = 96, 160, "yuv420p"
        for _ in range(12):
            file.mux(stream.encode(av.VideoFrame(96, 160, "yuv420p")))
        file.mux(stream.encode())
    folder.add(files=["a.webm"], parameters={"aspect_ratio": "16:9"})
    page = open_page()
    video = page.locator("video")
    assert '<video src="a.webm" width="16" height="9"' in folder.page
    wait_for(video, "video => Math.abs(video.offsetWidth / video.offsetHeight - 0.6) < 0.02")
    assert (
        page.locator(".card").evaluate("card => card.style.getPropertyValue('--ratio')") == "0.60"
    )


def test_names_with_meaning(open_page: Opener, folder: Folder) -> None:
    """Files with `#?%`, blanks and other scripts in their names are found."""
    names = ["a #1 50%? ü.mp4", "%41.mp4", "b:c.mp4", "غ 🦊.mp4", "sub/d&e.mp4"]
    for name in names:
        folder.add_video(name)
    folder.picture("f #?%20.png")
    page = open_page()
    for film in page.locator(".film").all():
        film.scroll_into_view_if_needed()
        wait_for(film.locator("video"), "video => video.readyState > 0")
    page.locator("img").scroll_into_view_if_needed()
    wait_for(page.locator("img"), "image => image.complete && image.naturalWidth === 60")


def test_missing_and_broken_files(open_page: Opener, folder: Folder, logged: list[str]) -> None:
    """A file that is missing, or goes later, or is none, is said to be so: no broken player."""
    folder.add("missing", files=["missing.mp4"])
    folder.add_video("gone.mp4", "gone", number=2)
    (folder.path / "none.mp4").write_text("no video")
    (folder.path / "none.png").write_text("no picture")
    page = open_page()
    assert "Missing missing.mp4" in " ".join(card(page, "missing").first.inner_text().split())
    page.get_by_text("cannot be shown here").nth(1).wait_for()
    (folder.path / "gone.mp4").unlink()
    page.reload()
    page.get_by_text("cannot be shown here").nth(2).wait_for()
    assert page.locator("video, img").count() == 0
    assert {text.split("::")[1] for text in logged} == {"ERR_FILE_NOT_FOUND"}
    logged.clear()


def test_without_script(open_page: Opener, folder: Folder) -> None:
    """Without script all is readable and plays by its own controls; no dead button is seen."""
    folder.add_video("a.mp4", HARD)
    folder.sound("b.wav")
    page = open_page(java_script_enabled=False)
    assert page.locator(".prompt").text_content() == HARD
    assert page.locator(".prompt").evaluate("p => p.scrollHeight <= p.clientHeight + 1")
    assert page.locator("video").get_attribute("controls") is not None
    assert page.locator("audio").get_attribute("controls") is not None
    assert page.locator("button:visible, input:visible, select:visible").count() == 0


@pytest.mark.parametrize("width", [375, 768, 1440])
def test_widths(width: int, open_page: Opener, folder: Folder) -> None:
    """The page is never wider than the window, whatever the words in it."""
    folder.add_video("x" * 120 + ".mp4", "long" * 200, model="m" * 60)
    folder.add("y" * 300, state="failed", error="z" * 300, number=2)
    for size in ((144, 256), (256, 144), (144, 144)):
        folder.add_video(f"{size[0]}-{size[1]}.mp4", size=size)
    page = open_page(viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for each in page.locator(".card").all():
        box = each.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


@pytest.mark.parametrize(("scheme", "is_dark"), [("dark", True), ("light", False)])
def test_dark_and_light(scheme: str, is_dark: bool, open_page: Opener, folder: Folder) -> None:
    """The page is dark or light, as the system is."""
    folder.add()
    page = open_page(color_scheme=scheme)
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    first = int(colour.split("(")[1].split(",")[0])
    assert (first < 64) == is_dark


def test_what_it_may_load(open_page: Opener, folder: Folder, logged: list[str]) -> None:
    """The policy stops scripts, styles and requests that are not the page's own."""
    folder.add()
    page = open_page()
    blocked = page.evaluate("""async () => {
        const seen = [];
        addEventListener("securitypolicyviolation", event => seen.push(event.effectiveDirective));
        const until = count => new Promise(done => {
            const check = () => (seen.length >= count ? done() : setTimeout(check, 10));
            check();
        });
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend", '<p style="color: red"></p>');
        const image = new Image();
        image.src = "https://example.invalid/a.png";
        await fetch("https://example.invalid/").catch(() => {});
        await until(4);
        return [...seen.sort(), window.ran === true];
    }""")
    assert blocked == ["connect-src", "img-src", "script-src-elem", "style-src-attr", False]
    assert len(logged) >= 4
    logged.clear()


# --- What is loaded -------------------------------------------------------------------------


@pytest.fixture
def server(folder: Folder) -> Iterator[Server]:
    """A web server of the folder."""
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def many(folder: Folder, count: int) -> None:
    for number in range(count):
        if number % 5 == 4:
            folder.picture(f"{number:04}.png")
            folder.add(f"fox {number}", number=number, files=[f"{number:04}.png"])
        else:
            folder.add_video(f"{number:04}.mp4", f"fox {number}", number=number)


def test_nothing_is_loaded_before_it_is_near(
    server: Server, open_page: Opener, folder: Folder
) -> None:
    """What is far below is asked for once the view comes near it, and not before."""
    many(folder, 150)
    page = open_page(server.url)
    server.wait_for("0004.png")
    wait_for(video_of(page, "0003.mp4"), "video => video.readyState > 0")
    assert server.asked[-1] < "0030"
    page.locator(".card").last.scroll_into_view_if_needed()
    server.wait_for("0149.png")
    server.wait_for("0148.mp4")
    assert not [path for path in server.asked if "0060" < path < "0100"]


def test_no_video_is_loaded_without_script(
    server: Server, open_page: Opener, folder: Folder
) -> None:
    """Without script no video is asked for. Pictures are: browsers then load them all at once."""
    many(folder, 150)
    page = open_page(server.url, java_script_enabled=False)
    page.locator(".card").last.scroll_into_view_if_needed()
    server.wait_for("0149.png")
    assert {path[-4:] for path in server.asked} == {".png"}


def test_what_is_far_away_is_released(open_page: Opener, folder: Folder) -> None:
    """A video that is far above gives its memory back, and is loaded again on return."""
    many(folder, 100)
    page = open_page()
    video = video_of(page, "0000.mp4")
    wait_for(video, "video => video.readyState > 0")
    page.locator(".card").last.scroll_into_view_if_needed()
    video.wait_for(state="detached")
    card(page, "0000.mp4").scroll_into_view_if_needed()
    wait_for(video, "video => video.readyState > 0")
