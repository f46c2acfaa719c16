"""The browser of these tests: the system's Chromium by Playwright, quiet, and how to wait in it."""

import shutil

import pytest

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="Playwright is not installed: make test-browser installs it"
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for found in map(shutil.which, BROWSERS) if found), None)
NEEDED = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome in PATH"),
    pytest.mark.timeout(240),
]
"""Marks of a module that opens it."""
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream",
)  # fmt: skip
PHONE = {"width": 390, "height": 780}


def launched(*more):
    """Opens the browser, with more words on its command line; closes it in the end."""
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *more])
        yield opened
        opened.close()


def until(page, condition, tries=400):
    """Asks again and again; the page's policy forbids Playwright's own way, which is eval."""
    for _ in range(tries):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{tries / 20:.0f} s have passed")
