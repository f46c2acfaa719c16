"""The face's page: its parts put together into one self-contained file."""

from __future__ import annotations

from pathlib import Path

PARTS = Path(__file__).parent / "page"
SCRIPTS = ("look.js", "life.js", "sound.js", "hum.js", "link.js", "gaze.js", "talk.js", "main.js")
"""The scripts, in this order, as one."""
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' blob:; "
    "worker-src blob:; img-src data:; media-src blob: mediastream:; connect-src 'self' ws: wss:"
)
"""Content-Security-Policy: the page loads nothing from elsewhere."""


def page_html() -> str:
    """The whole page: styles and scripts are in it."""
    read = {p.name: p.read_text(encoding="utf-8") for p in PARTS.iterdir()}
    script = "\n".join(read[name].replace('"use strict";\n', "") for name in SCRIPTS)
    page = read["face.html"].replace("/*css*/", read["face.css"])
    return page.replace("/*js*/", f'"use strict";\n{script}')
