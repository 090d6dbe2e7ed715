"""``make screenshots``: the pictures of the documents, taken of the demo: the console in Chromium, and ``leadmail status``."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from services.cli.terminal.session import open_session
from testbed.demo.tour import ANNA, HALVORSEN, Tour
from testbed.demo.world import ROOT, World, open_world, stages
from testbed.processes import waiting
from testbed.processes.packages import CHROMIUM, ensure, program
from testbed.processes.parts import HostingError
from testbed.processes.ports import free_port

FOLDER = ROOT / "docs" / "pictures"
_START_S = 60
_COLUMNS = 110
_SIZE = {"width": 1180, "height": 760}


@contextmanager
def _console(world: World, port: int) -> Iterator[None]:
    """Run the console while the block runs."""
    running = subprocess.Popen([sys.executable, "-m", "services.console"], cwd=ROOT, env=world.environment)
    answers = partial(waiting.greets, port, greeting=b"HTTP/1.1 200", say=b"GET /sign-in HTTP/1.0\r\n\r\n")
    try:
        waiting.until(answers, what="the console", seconds=_START_S, part_alive=lambda: running.poll() is None)
        yield
    finally:
        running.terminate()
        running.wait(_START_S)


async def _fill(world: World) -> str:
    """Connect and import the mailboxes; returns what ``leadmail status`` shows then."""
    async with open_session() as session:
        with stages(world) as check:
            steps = Tour(world, session.store, check)
            steps.prepare()
            steps.connect()
            await steps.backfill()
            own = {**world.environment, "COLUMNS": str(_COLUMNS), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
            command = [sys.executable, "-m", "services.cli", "status"]
            done = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=own, stdout=subprocess.PIPE)
            return (await done.communicate())[0].decode()


def _picture_of_pages(browser: Browser, world: World) -> None:
    """Take a record page as a user sees it who came by a link."""
    page = browser.new_context(viewport=_SIZE, device_scale_factor=1.5).new_page()  # type: ignore[arg-type]
    page.goto(world.leadmail("console", "link", ANNA.addresses[0]).split()[0])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Leads and contacts").click()
    page.get_by_role("link", name=HALVORSEN.name).first.click()
    page.get_by_role("heading", name=HALVORSEN.name).wait_for()
    page.screenshot(path=FOLDER / "console.png")


def _picture_of_status(browser: Browser, shown: str) -> None:
    """Take what a terminal shows."""
    terminal = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    terminal.print(Text("$ leadmail status --watch", style="bold"))
    terminal.print(Text.from_ansi(shown))
    page = browser.new_context(device_scale_factor=1.5).new_page()
    page.set_content(terminal.export_html(theme=MONOKAI, inline_styles=True))
    page.add_style_tag(content="body { margin: 0; padding: 14px; display: inline-block } pre { margin: 0 }")
    page.locator("body").screenshot(path=FOLDER / "status.png")


def main() -> int:
    """Take the pictures; returns the exit code."""
    try:
        ensure([CHROMIUM])
        port = free_port()
        with open_world() as world:
            own = {"LEADMAIL_CONSOLE_URL": f"http://127.0.0.1:{port}", "LEADMAIL_CONSOLE_PORT": str(port)}
            world.environment.update(own)
            os.environ.update(world.environment)
            shown = asyncio.run(_fill(world))
            FOLDER.mkdir(exist_ok=True)
            with _console(world, port), sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=Path(program(CHROMIUM.path) or ""))
                _picture_of_pages(browser, world)
                _picture_of_status(browser, shown)
                browser.close()
    except HostingError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
