"""The server's gate as a real browser meets it: the key, its cookie, foreign names and pages."""

import pytest

from pipelines.server.access.key import PageKey
from pipelines.server.doors.door import People
from tests.browser.chromium import NEEDED
from tests.browser.served_page import served

pytestmark = NEEDED


@pytest.fixture
def page(browser):
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_the_key_becomes_a_cookie_and_is_gone_from_the_address(page):
    key = PageKey()
    with served(People(key=key)) as url:
        assert page.goto(f"{url}/talk").status == 403
        assert "scan its QR code" in page.inner_text("body")
        assert page.goto(f"{url}/talk{key.query}").status == 200
        assert page.url == f"{url}/talk"
        assert page.evaluate("document.cookie") == ""  # no script of a page can read it
        (cookie,) = page.context.cookies()
        assert cookie["name"] == f"duplex-lab-{url.rpartition(':')[2]}"
        assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"
        assert key.text not in cookie["value"]
        assert page.goto(f"{url}/face").status == 200  # the next time without the key
        page.go_back()
        assert key.text not in page.url


def test_another_name_that_leads_here_is_refused(page):
    with served() as url:
        assert page.goto(f"{url}/talk").status == 200
        there = url.replace("127.0.0.1", "elsewhere.localhost")
        assert page.goto(f"{there}/talk").status == 421
        assert "not called by that name" in page.inner_text("body")


def test_a_page_of_another_origin_can_neither_read_nor_ask(page):
    with served() as url, served() as foreign:
        seen = []
        page.on("response", lambda answer: seen.append((answer.request.method, answer.status)))
        page.goto(f"{foreign}/healthz")
        seen.clear()
        asked = """url => fetch(url, { method: "POST", mode: "no-cors", body: "{}" })
            .then(answer => answer.type, error => "refused")"""
        page.evaluate(asked, f"{url}/offer")
        assert seen == [("POST", 403)]
        reading = "url => fetch(url).then(answer => answer.text(), error => 'refused')"
        assert page.evaluate(reading, f"{url}/healthz") == "refused"
