"""A server for one person with an empty stage, and a client of it."""

import aiohttp
import pytest

from pipelines.server.app.thread import Serving
from pipelines.server.stage import Stage


@pytest.fixture(scope="module")
def served():
    with Serving(Stage("test"), 0) as serving:
        yield serving


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session
