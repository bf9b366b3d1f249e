"""A browser, for the tests that open a page in one."""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.page.folders import Folder
from tests.page.pages import TIMEOUT
from vidgo_async.page import write_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

Opener = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Debian's Chromium, driven by playwright; a test without them is skipped.

    It ends with the module: playwright's loop would be in the way of the async tests of others.
    """
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    path = next(filter(None, found), None)
    if path is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--autoplay-policy=document-user-activation-required"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder."""
    return Folder(tmp_path)


@pytest.fixture
def logged() -> list[str]:
    """What a page logged; a test that means to cause errors clears it."""
    return []


@pytest.fixture
def open_page(browser: "Browser", folder: Folder, logged: list[str]) -> Iterator[Opener]:
    """Write the folder's page and open it; in the end, nothing may have been logged.

    An address may be given instead of the page's own, and options of the browser's context.
    """
    contexts = []

    def note(message: "ConsoleMessage") -> None:
        if not message.location["url"].endswith("/favicon.ico"):
            logged.append(message.text)

    def open_it(url: str | None = None, hash_: str = "", **options: Any) -> "Page":
        write(folder.path)
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(TIMEOUT)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: logged.append(str(error)))
        page.goto((url or (folder.path / "index.html").as_uri()) + hash_)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert logged == []


def write(folder: str | os.PathLike[str]) -> None:
    """Write a page in a thread: playwright has a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: anyio.run(write_page, folder)).result()
