"""Nothing of this machine's user is read or written."""

import pytest


@pytest.fixture(autouse=True)
def _home(home):
    """Everywhere here."""
