"""What the tour prints: steps, commands with their output, progress bars, the confirmation as received."""

from __future__ import annotations

import asyncio
import email
import email.policy
import shlex
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from services.cli.overview.accounts_table import AccountsTable
from services.store import AccountStatus, Store
from testbed.demo.world import World

console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
_LOOK_SECONDS = 0.25


def step(number: int, text: str) -> None:
    """Print the heading of a step."""
    console.print()
    console.print(Text(f" {number}  {text} ", style="bold white on blue"))
    console.print()


def say(text: str, style: str = "") -> None:
    """Print a sentence."""
    console.print(Text(text, style=style))


def run(world: World, *arguments: str, stdin: str | None = None, lines: int | None = None) -> str:
    """Show a ``leadmail`` command and what it prints (at most ``lines`` of it)."""
    console.print(Text(f"$ leadmail {shlex.join(arguments)}", style="bold cyan"))
    printed = world.leadmail(*arguments, stdin=stdin)
    shown = printed.rstrip().splitlines()
    for line in shown[:lines]:
        console.print(Text(f"  {line}"), soft_wrap=True)
    if lines is not None and len(shown) > lines:
        console.print(Text(f"  … {len(shown) - lines} more lines", style="dim"))
    console.print()
    return printed


async def progress(store: Store, done: Callable[[list[AccountStatus]], bool], seconds: float) -> list[AccountStatus]:
    """Show progress bars until ``done`` says so.

    Raises:
        RuntimeError: it takes longer than ``seconds``.
    """
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        end = time.monotonic() + seconds
        while True:
            accounts = await store.status.accounts()
            live.update(AccountsTable(accounts))
            if done(accounts):
                return accounts
            if time.monotonic() > end:
                raise RuntimeError(f"the backfills did not finish within {seconds:.0f} s: see .demo/stages.log")
            await asyncio.sleep(_LOOK_SECONDS)


async def until(condition: Callable[[], Coroutine[Any, Any, bool]], seconds: float, what: str) -> float:
    """Wait until a condition holds and return how long it took, in seconds.

    Raises:
        RuntimeError: it does not in time.
    """
    start = time.monotonic()
    while not await condition():
        if time.monotonic() - start > seconds:
            raise RuntimeError(f"{what} did not happen within {seconds:.0f} s: see .demo/stages.log")
        await asyncio.sleep(0.01)
    return time.monotonic() - start


def show_mail(raw: bytes) -> None:
    """Show a mail as its reader sees it: headers and text."""
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    body = mail.get_body(("plain",))
    head = "\n".join(f"{name}: {mail[name]}" for name in ("From", "To", "Subject", "Message-ID"))
    text = body.get_content() if body else ""
    console.print(Panel(Text(f"{head}\n\n{text.rstrip()}"), border_style="green", width=min(console.width, 110)))
