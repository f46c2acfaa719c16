"""`/talk` and `/face` of the server in a real browser, whose microphone comes back: no model."""

import pytest

from pipelines.server.doors.door import People
from tests.browser.chromium import NEEDED, PHONE, launched, until
from tests.browser.served_page import served

pytest.importorskip("aiortc", reason="extra 'talk' is not installed: make test-browser installs it")
pytestmark = [*NEEDED, pytest.mark.filterwarnings("ignore")]  # aiortc's, on its way out
WIDE = {"width": 1100, "height": 700}


@pytest.fixture(scope="module")
def browser():
    yield from launched("--use-fake-ui-for-media-stream")  # its microphone beeps once a second


@pytest.fixture
def visit(browser):
    """Opens a page; nothing may go wrong in its script, or be fetched from elsewhere."""
    contexts, wrong = [], []

    def opened(url, viewport=PHONE, **how):
        context = browser.new_context(viewport=viewport, **how)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if here(request) else None)
        page.goto(url)
        until(page, lambda: page.evaluate("face.mode") == "live")
        return page

    def here(request):
        return not request.url.startswith(
            ("http://127.0.0.1:", "ws://127.0.0.1:", "blob:", "data:")
        )

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.mark.parametrize("path", ["talk", "face"])
@pytest.mark.parametrize("viewport", [PHONE, WIDE], ids=["phone", "desk"])
def test_a_page_calls_and_is_answered(visit, path, viewport):
    with served(People(title="Somebody · live")) as url:
        page = visit(f"{url}/{path}", viewport)
        assert page.title() == f"duplex-lab: {path}"
        assert page.inner_text("#what") == "Somebody · live"
        assert page.is_visible("#look") == (path == "face")  # there is nobody to look
        page.click("#go")
        until(page, lambda: "call: connected" in page.inner_text("#status"))
        until(page, lambda: page.evaluate("loudness()") > 0.01)
        until(page, lambda: page.evaluate("face.lips.open") > 0.1)
        state = "getComputedStyle(document.body, '::after').content"
        shown = page.evaluate(state)
        assert (
            shown == (f'"{page.evaluate("document.body.dataset.state")}"', "none")[path == "face"]
        )
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.is_visible("#full")


def test_the_bare_address_leads_to_the_page_and_a_preset_is_named_in_it(visit):
    with served() as url:
        page = visit(url)
        assert page.url == f"{url}/talk"
        unknown = visit(f"{url}/talk?preset=nobody")
        unknown.click("#go")
        until(unknown, lambda: "'nobody' is not served here" in unknown.inner_text("#status"))


def test_a_new_call_ends_the_one_before_where_one_person_has_the_server(visit):
    with served(People(newest=True)) as url:
        first, second = visit(f"{url}/talk"), visit(f"{url}/talk")
        first.click("#go")
        until(first, lambda: "call: connected" in first.inner_text("#status"))
        second.click("#go")
        until(second, lambda: "call: connected" in second.inner_text("#status"))
        until(first, lambda: "another page has called" in first.inner_text("#words"))
        assert "call: connected" in second.inner_text("#status")
