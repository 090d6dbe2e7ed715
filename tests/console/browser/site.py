"""The console on a port of this machine, and the browser tabs of its users."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from services.runtime.http import listen, serve_app
from services.runtime.tasks import cancel_and_wait
from services.settings import ConsoleSettings
from services.usecases.overview import OptionalBus
from tests.console.fixtures import Office, open_office
from tests.matcher.histories.history import History

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}


@asynccontextmanager
async def launched(path: str, *arguments: str) -> AsyncIterator[Browser]:
    """Yield Chromium, started with command line arguments of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        await browser.close()


@dataclass
class Tabs:
    """Opens tabs, each in a browser profile of its own, and notes what goes wrong in them."""

    browser: Browser
    origin: str
    faults: list[str] = field(default_factory=list)
    """What the browser complained about: scripts that failed, and what a policy blocked."""

    async def open(self, path: str = "/", viewport: Mapping[str, int] = DESK, **options: Any) -> Page:
        """Return a tab that shows a page of the console."""
        context = await self.browser.new_context(base_url=self.origin, viewport=dict(viewport), **options)  # type: ignore[arg-type]
        context.set_default_timeout(60_000)
        tab = await context.new_page()
        tab.on("pageerror", lambda error: self.faults.append(str(error)))
        tab.on("console", self._note)
        await tab.goto(path)
        return tab

    def _note(self, message: ConsoleMessage) -> None:
        # A response with an error status is a page, too.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.faults.append(message.text)


@dataclass
class Site(Tabs):
    """The console of a company."""

    office: Office = field(kw_only=True)

    async def signed_in(self, user: str, path: str = "/mailboxes", **options: Any) -> Page:
        """Return a tab of a user who opens a link, signs in, and goes to a page."""
        tab = await self.open(await self.office.link(user), **options)
        await tab.get_by_role("button", name="Sign in").click()
        await tab.wait_for_url(lambda url: "/sign-in" not in url)
        await tab.goto(path)
        return tab


@asynccontextmanager
async def open_site(
    browser: Browser, life: History, settings: ConsoleSettings, broker: OptionalBus | None = None
) -> AsyncIterator[Site]:
    """Serve the console of a company on a free port."""
    listening = listen("LEADMAIL_CONSOLE_PORT", "127.0.0.1", 0)
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    local = settings.model_copy(update={"console_url": origin})
    async with open_office(life, local, broker) as office:
        serving = asyncio.create_task(serve_app(office.app, listening))
        try:
            yield Site(browser, origin, office=office)
        finally:
            await cancel_and_wait(serving)
