"""The server of ``duplex-lab view``: the list of runs, each run's page, and a run that goes on.

It serves this machine alone, and reads only runs that `Library` names. What a browser asks for is
looked up among these names: no text of an address ever becomes a part of a path.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, TypeVar

from aiohttp import web

from bench.metrics.recompute import compute_run
from bench.report.page.audio import vorbis
from bench.report.page.page import Input, colours, served_page
from bench.store.atomic import StoreError
from bench.store.store import Run, read_causes, read_metrics, read_run
from bench.view.guard import Guard
from bench.view.library import STATES, Library, is_live, leads_out, stamp_of
from bench.view.live import Live
from pipelines.errors import LabError

T = TypeVar("T")
HOST = "127.0.0.1"
LOOPBACK = (HOST, "localhost")
"""Names of this machine for itself."""
KEPT = 4
"""Largest number of runs' pages and recordings that are kept in memory."""
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class View:
    """Serves the runs below a folder.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self._library = Library(root)
        self._live: dict[str, Live] = {}
        self._runs: dict[str, tuple[object, Run]] = {}
        self._pages: dict[str, tuple[object, str]] = {}
        self._reading = asyncio.Lock()  # one run at a time is read or computed
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int) -> None:
        """Begins to serve; port 0 takes a free one.

        Raises:
            LabError: the port can't be used.
        """
        guard = Guard(LOOPBACK, lambda: self.port)
        app = web.Application(middlewares=[guard.check], client_max_size=2**10)
        app.add_routes(
            [
                web.get("/", self._list),
                web.get("/api/runs", self._api_runs),
                web.get("/api/runs/{name}", self._api_run),
                web.get("/run/{name}/", self._run),
                web.get("/run/{name}/audio/{trial}.ogg", self._audio),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, HOST, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise LabError(
                f"The runs can't be served at {HOST}:{port} ({error.strerror}): choose another "
                "--port; 0 takes a free one."
            ) from None
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stops."""
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Address of the list."""
        return f"http://{HOST}:{self.port}/"

    async def _list(self, _: web.Request) -> web.Response:
        return _html(page("list", "runs", self._library.root.name))

    async def _api_runs(self, _: web.Request) -> web.Response:
        async with self._reading:
            found = await asyncio.to_thread(self._library.entries)
        runs = [asdict(entry) | {"state_name": STATES[entry.state]} for entry in found]
        return web.json_response({"runs": runs}, headers=HEADERS)

    async def _api_run(self, request: web.Request) -> web.Response:
        name, path = self._named(request)
        live = self._live.setdefault(name, Live(path))
        async with self._reading:
            try:
                standing = await asyncio.to_thread(live.standing)
            except StoreError:  # it is just being gathered into one file: the next look has it
                raise web.HTTPServiceUnavailable(text="the run is being written") from None
        told = asdict(standing) | {"live": is_live(path)}
        if not told["live"]:
            self._live.pop(name, None)
        return web.json_response(told, headers=HEADERS)

    async def _run(self, request: web.Request) -> web.Response:
        name, path = self._named(request)
        if is_live(path) and "report" not in request.query:
            return _html(page("live", name, name))
        return _html(await self._reading_run(name, path, self._page_of))

    async def _audio(self, request: web.Request) -> web.Response:
        name, path = self._named(request)
        wanted = request.match_info["trial"]

        def encoded(name: str, path: Path) -> bytes:
            run = self._run_of(name, path)
            if wanted not in {trial.trial_id for trial in run.trials}:
                raise web.HTTPNotFound(text="there is no such trial")
            trial = run.trial(wanted)
            recording = run.recording(trial)
            if recording is None or not len(recording):
                raise web.HTTPNotFound(text="nothing was recorded")
            return vorbis(recording, trial.rate_hz)

        data = await self._reading_run(name, path, encoded)
        return web.Response(body=data, content_type="audio/ogg", headers=HEADERS)

    # Reading

    def _named(self, request: web.Request) -> tuple[str, Path]:
        """The run that an address names, by its name among the folders."""
        name = request.match_info["name"]
        path = self._library.folders().get(name)
        if path is None or leads_out(path):
            raise web.HTTPNotFound(text="there is no such run")
        return name, path

    async def _reading_run(self, name: str, path: Path, read: Callable[[str, Path], T]) -> T:
        async with self._reading:
            try:
                return await asyncio.to_thread(read, name, path)
            except LabError as error:
                said = str(error).replace(str(self._library.root), self._library.root.name)
                raise web.HTTPUnprocessableEntity(text=said) from None

    def _run_of(self, name: str, path: Path) -> Run:
        return _kept(self._runs, name, stamp_of(path), lambda: read_run(path))

    def _page_of(self, name: str, path: Path) -> str:
        def made() -> str:
            run = self._run_of(name, path)
            if (path / "metrics.parquet").exists():
                given = Input(run, read_metrics(path), read_causes(path))
            else:
                found = compute_run(run, 1)
                given = Input(run, found.metrics, found.causes)
            return served_page(given, "/", lambda text: None)

        return _kept(self._pages, name, stamp_of(path), made)


def _kept(held: dict[str, tuple[object, T]], name: str, stamp: object, make: Callable[[], T]) -> T:
    """What is held for a name, made anew if its run has changed; the oldest goes."""
    if name not in held or held[name][0] != stamp:
        held.pop(name, None)
        while len(held) >= KEPT:
            del held[next(iter(held))]
        held[name] = (stamp, make())
    return held[name][1]


# Pages


def page(script: str, title: str, heading: str) -> str:
    """A page of the view: its style and its script are in it, by a policy that names both.

    Args:
        script: Name of the script in the folder ``page``, without its ending.
        title: Title of the window.
        heading: What the page is about: the folder, or the run.
    """
    from bench.report.page.markup import esc

    code = _asset("common.js") + _asset(f"{script}.js")
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode("ascii")
    style = files("bench.report.page").joinpath("page.css").read_text(encoding="utf-8")
    return Template(_asset("view.html")).substitute(
        policy=(
            f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
            "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'"
        ),
        title=esc(f"{title} – duplex-lab"),
        heading=esc(heading),
        home="" if script == "list" else '<a href="/">Runs</a>',
        css=colours() + style + _asset("view.css"),
        js=code,
    )


def _asset(name: str) -> str:
    return files("bench.view").joinpath("page", name).read_text(encoding="utf-8")


def _html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html", headers=HEADERS)


def serve(root: Path, port: int, told: Callable[[str], Any]) -> None:
    """Serves until Ctrl-C.

    Args:
        root: The folder that holds the runs.
        port: Port; 0 for a free one.
        told: Takes the address once it is served.

    Raises:
        LabError: the port can't be used.
        KeyboardInterrupt: Ctrl-C.
    """

    async def run() -> None:
        view = View(root)
        await view.start(port)
        try:
            told(view.url)
            await asyncio.Event().wait()
        finally:
            await view.stop()

    asyncio.run(run())
