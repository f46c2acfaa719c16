"""The guard of the face's server as a real browser meets it: the key, its cookie, foreign pages."""

import asyncio
import threading

import pytest
from aiohttp import web

from pipelines.server.guard import Guard
from tests.browser.chromium import NEEDED

pytestmark = NEEDED
PAGE = "<!doctype html><title>the page</title>"


class Served:
    """A page behind the guard, on a thread of its own."""

    def __init__(self, *names: str, needs_key: bool) -> None:
        self.port = 0
        self.guard = Guard("http", names, lambda: self.port, needs_key=needs_key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> "Served":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        async def page(_request: web.Request) -> web.Response:
            return web.Response(text=PAGE, content_type="text/html")

        app = web.Application(middlewares=[self.guard.check])
        app.add_routes([web.get("/", page), web.post("/offer", page)])
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    def url(self, name: str = "127.0.0.1", rest: str = "") -> str:
        return f"http://{name}:{self.port}/{rest}"


@pytest.fixture
def page(browser):
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_the_key_becomes_a_cookie_and_is_gone_from_the_address(page):
    with Served("127.0.0.1", needs_key=True) as served:
        assert page.goto(served.url()).status == 403
        assert "scan its QR code" in page.inner_text("body")
        assert page.goto(served.url(rest=f"?key={served.guard.key}")).status == 200
        assert (page.url, page.title()) == (served.url(), "the page")
        assert page.evaluate("document.cookie") == ""  # no script of a page can read it
        (cookie,) = page.context.cookies()
        assert cookie["name"] == f"duplex-lab-{served.port}"
        assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"
        assert served.guard.key not in cookie["value"]
        assert page.goto(served.url()).status == 200  # the next time without the key
        page.go_back()
        assert served.guard.key not in page.url


def test_another_name_that_leads_here_is_refused(page):
    with Served("127.0.0.1", needs_key=False) as served:
        assert page.goto(served.url()).status == 200
        assert page.goto(served.url("localhost")).status == 421
        assert "not called by that name" in page.inner_text("body")


def test_a_page_of_another_origin_can_neither_read_nor_ask(page):
    with (
        Served("127.0.0.1", needs_key=False) as served,
        Served("127.0.0.1", needs_key=False) as foreign,
    ):
        seen = []
        page.on("response", lambda answer: seen.append((answer.request.method, answer.status)))
        page.goto(foreign.url())
        seen.clear()
        asked = """url => fetch(url, { method: "POST", mode: "no-cors", body: "{}" })
            .then(answer => answer.type, error => "refused")"""
        page.evaluate(asked, served.url(rest="offer"))
        assert seen == [("POST", 403)]
        reading = "url => fetch(url).then(answer => answer.text(), error => 'refused')"
        assert page.evaluate(reading, served.url()) == "refused"
