"""Chromium, and the console of a small company in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from services.settings import ConsoleSettings
from testbed.processes.packages import CHROMIUM, ensure, program
from testbed.processes.parts import HostingError
from tests.console.browser.site import Site, launched, open_site
from tests.console.fixtures import set_up_company
from tests.matcher.histories.history import History


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The program. Where the distribution has none, or it cannot be installed, the tests are left out."""
    try:
        ensure([CHROMIUM])
    except HostingError as error:
        pytest.skip(f"there is no Chromium here: {error}")
    return str(program(CHROMIUM.path))


@pytest.fixture
async def chromium(chromium_path: str) -> AsyncIterator[Browser]:
    """A browser of this test's own."""
    async with launched(chromium_path) as browser:
        yield browser


@pytest.fixture
async def site(chromium: Browser, life: History, settings: ConsoleSettings) -> AsyncIterator[Site]:
    """The console of the company of ``set_up_company``, without a broker. At the end no page has run into an error."""
    await set_up_company(life)
    async with open_site(chromium, life, settings) as opened:
        yield opened
        assert opened.faults == []
