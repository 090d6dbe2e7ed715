"""Mail that tries to run scripts and to let the reader's browser send requests, read in the console."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, Request

from services.settings import ConsoleSettings
from tests.console.browser.hostile import hostile_html
from tests.console.browser.site import Site, launched, open_site
from tests.console.fixtures import ANN, CARLA, set_up_company
from tests.matcher.fixtures import mail
from tests.matcher.histories.history import History

_EVERY = 1 if os.environ.get("LEADMAIL_LONG") else 6
"""Which of the mails are read: each takes as long as a page."""


class Listener:
    """A server that notes who connects."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Note what a browser says to a server that a mail names, and hang up. Browsers also ask their maker's servers."""
        said = await reader.read(4096)
        if b"evil.example" in said or b"Host: 127.0.0.1" in said:
            self.heard.append(said.partition(b"\r\n")[0].decode("latin-1"))
        writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Listener, int]]:
    """Yield a listener, and its port."""
    listener = Listener()
    server = await asyncio.start_server(listener.hear, "127.0.0.1", 0)
    async with server:
        yield listener, server.sockets[0].getsockname()[1]


async def _read(tab: Page, path: str, html: str) -> list[str]:
    """Open a mail and use it as its reader may; returns what its frame still has that could load or run something."""
    await tab.goto(path)
    frame = tab.frame(url=lambda url: url.endswith("/html"))
    assert frame is not None
    await frame.wait_for_load_state()
    shown = await frame.content()
    assert "Hello" in shown, html
    await tab.get_by_title("The mail as it was sent").hover()
    await tab.get_by_title("The mail as it was sent").focus()
    await tab.keyboard.press("Tab")
    return [
        one for one in ("<script", "<svg", "<form", "<link", 'http-equiv="refresh', 'evil.example/a"') if one in shown
    ]


@pytest.mark.timeout(1200)
async def test_hostile_mail(chromium_path: str, life: History, settings: ConsoleSettings) -> None:
    """No script runs and no request leaves, whatever the mail tries. Without the console's care, the same mail does both."""
    async with listening() as (listener, port):
        # Every name leads to the listener, whatever it is.
        everywhere = f"--host-resolver-rules=MAP * 127.0.0.1:{port}, EXCLUDE 127.0.0.1"
        async with launched(chromium_path, everywhere) as browser:
            await set_up_company(life)
            bodies = hostile_html(f"http://127.0.0.1:{port}")
            assert len(bodies) >= 150
            mails = [mail(f"hostile {number}", CARLA, ANN, html=html) for number, html in enumerate(bodies)][::_EVERY]
            account = life.accounts[life.boxes[ANN]]
            await life.match(*[await life.copy(account, one) for one in mails])
            async with open_site(browser, life, settings) as site:
                await _check(site, listener, [(f"/mail/{one.key}", one.html or "") for one in mails])
                await _provoke(site, listener, f"http://127.0.0.1:{port}")


async def _check(site: Site, listener: Listener, mails: list[tuple[str, str]]) -> None:
    tab = await site.signed_in(ANN)
    ran: list[str] = []
    left: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith((site.origin, "data:")):
            left.append(request.url)

    tab.context.on("request", note)
    tab.context.on("dialog", lambda dialog: ran.append(dialog.message))
    tab.context.on("page", lambda page: ran.append(f"opened {page.url}"))
    for path, html in mails:
        assert await _read(tab, path, html) == [], html
        assert tab.url == f"{site.origin}{path}", html
        assert (ran, left, listener.heard) == ([], [], []), html
    await tab.context.close()


async def _provoke(site: Site, listener: Listener, url: str) -> None:
    """Show one of them without the console, to prove that the listener hears it."""
    page = await (await site.browser.new_context()).new_page()
    await page.set_content(f"<img src='{url}/bare'><script>fetch('http://evil.example/script')</script>")
    async with asyncio.timeout(60):
        while len({one.split(" ")[1] for one in listener.heard if " " in one} & {"/bare", "/script"}) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
