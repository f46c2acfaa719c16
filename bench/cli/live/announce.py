"""The address of a page, told: as a line, for a phone as a QR code, or in this browser."""

from __future__ import annotations

import webbrowser

import typer

from bench.report.text.console import console


def announce(url: str, https: bool, open_page: bool) -> None:
    """Tells a page's address.

    Args:
        url: The page.
        https: Whether a phone is to open it.
        open_page: Whether this machine's browser is.
    """
    console().line(f"The face: {url}")
    if https:
        from pipelines.certificate import qr_code

        typer.echo(qr_code(url))
        console().say("The certificate is this machine's own: the browser will warn once.")
    elif open_page:
        webbrowser.open(url)
