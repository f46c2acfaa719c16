"""One browser for all tests of a module."""

import pytest


@pytest.fixture(scope="module")
def browser():
    """The browser, without a window."""
    from tests.browser.chromium import (
        launched,  # not before: where there is no Playwright, modules are skipped
    )

    yield from launched()
