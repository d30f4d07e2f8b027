"""One browser for the tests of a module, Debian's own, and a page that notes whatever it complains about."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from browser.live import Live
from browser.scenery import furnish
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Playwright, Response, sync_playwright

from kilter.server import clock

CHROMIUM = shutil.which("chromium")
REQUIRED = os.environ.get("KILTER_REQUIRE_CLUSTER") == "1"  # read here: tests themselves see no KILTER_ variables
SCREENSHOTS = Path(__file__).parents[2] / "build/screenshots"
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
DESKTOP = {"width": 1280, "height": 860}
COLD = 180_000  # milliseconds
PHONE = {"width": 375, "height": 740}


@dataclass
class Tab:
    """A tab of the browser; at its end it must have complained about nothing."""

    page: Page
    live: Live
    complaints: list[str] = field(default_factory=list)

    def goto(self, path: str) -> Response:
        """Go to a page of the portal."""
        response = self.page.goto(self.live.url + path)
        assert response is not None
        return response

    def shoot(self, name: str) -> None:
        """Keep what is seen."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def hear(self, message: ConsoleMessage) -> None:
        # What a page answers with 404 or 403 on purpose is a complaint too; the tests look at the status themselves.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)

    def see(self, response: Response) -> None:
        if response.status >= 400 and response.request.resource_type != "document":
            self.complaints.append(f"{response.status} {response.url}")


class Tabs:
    """Opens tabs, each with cookies of its own."""

    def __init__(self, browser: Browser, live: Live) -> None:
        self.browser, self.live = browser, live
        self.open: list[Tab] = []

    def __call__(self, token: str = "", *, phone: bool = False, dark: bool = False, **more: Any) -> Tab:
        context = self.browser.new_context(
            viewport=PHONE if phone else DESKTOP,  # type: ignore[arg-type]
            color_scheme="dark" if dark else "light",
            device_scale_factor=2 if phone else 1,
            **more,
        )
        context.set_default_timeout(5000)
        if token:
            context.add_cookies([{"name": "kilter", "value": self.live.session(token), "url": self.live.url}])
        tab = Tab(context.new_page(), self.live)
        tab.page.on("console", tab.hear)
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.page.on("response", tab.see)
        self.open.append(tab)
        return tab

    def close(self) -> None:
        for tab in self.open:
            tab.page.context.close()
        assert [complaint for tab in self.open for complaint in tab.complaints] == []


# Not for the whole session: while Playwright is there, no other suite's event loop could run beside its own.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    if CHROMIUM is None:
        why = "no chromium on PATH; Debian has it as the package `chromium`"
        if REQUIRED:
            pytest.fail(why)
        pytest.skip(why)
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET), timeout=COLD)
    await_pictures(found)
    yield found
    found.close()


def await_pictures(browser: Browser) -> None:
    """Wait until a browser that has just started can take pictures.

    Its first page waits for fonts and caches, on a busy machine for longer than any test has time. And while the
    process that composes what is seen starts, Chromium refuses ("Unable to capture screenshot") rather than wait.
    """
    page, until = browser.new_page(), time.monotonic() + COLD / 1000
    page.set_default_timeout(COLD)
    page.goto("data:text/html,<p>warm</p>")
    while True:
        try:
            page.screenshot()
            break
        except Error:
            if time.monotonic() > until:
                raise
            page.wait_for_timeout(100)
    page.close()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with Live(tmp_path) as found:
        yield found


@pytest.fixture
def furnished(live: Live) -> dict[str, str]:
    found = live.run(furnish, clock.now())
    assert isinstance(found, dict)
    return found


@pytest.fixture
def tabs(browser: Browser, live: Live) -> Iterator[Tabs]:
    found = Tabs(browser, live)
    yield found
    found.close()
