"""Takes the README's picture of a run's report page, in a real browser.

python scripts/report_picture.py [RUN]      default: results/sample → docs/report-page.png

Needs Playwright and a Chromium, as ``make test-browser`` does.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "report-page.png"
WIDTH, HEIGHT = 1180, 4000
"""CSS pixels; so high that nothing is scrolled, for the menu stays on top."""
TURN = "#r0 .turn"


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path, default=ROOT / "results" / "sample")
    parser.add_argument("--out", type=Path, default=PICTURE)
    parser.add_argument("--search", default="close the door", help="words of the turn to be shown")
    parser.add_argument("--preset", default="cascade-embedded")
    given = parser.parse_args()
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        browser = None
    if browser is None:
        print("report_picture: needs Playwright and Chromium: make test-browser", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_path = Path(folder) / "report.html"
        command = [sys.executable, "-m", "bench.cli.main", "report", str(given.run)]
        subprocess.run([*command, "--out", str(page_path)], cwd=ROOT, check=True)
        flags = ["--no-sandbox", "--disable-gpu"]
        chromium = playwright.chromium.launch(executable_path=browser, args=flags)
        page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(page_path.as_uri())
        page.wait_for_load_state("networkidle")
        page.get_by_label("Search").first.fill(given.search)
        page.locator("#r0 .row", has_text=given.preset).first.click()
        page.locator(TURN).wait_for()
        page.wait_for_timeout(1000)  # the waveforms are drawn
        page.locator("#r0-turns").screenshot(path=str(given.out))
        chromium.close()
    print(f"report_picture: {given.out} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
