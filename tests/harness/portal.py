"""A trial platform's portal, in Debian's browser."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

from harness.cli import ROOT
from harness.trial import Trial

SCREENSHOTS = ROOT / "build/screenshots"


@contextmanager
def portal(here: Trial) -> Iterator[Page]:
    """Give the portal in Debian's browser, signed in as the administrator."""
    chromium = shutil.which("chromium")
    assert chromium, "there is no chromium on PATH"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(here.server)
        page.get_by_label("Your token").fill(here.token)
        page.keyboard.press("Enter")
        page.get_by_text("acme/shop").first.wait_for(timeout=15000)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        yield page
        browser.close()
