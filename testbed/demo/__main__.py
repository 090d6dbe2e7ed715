"""``make demo``: the tour, then the running system to play with until Ctrl-C (``--once``: the tour only)."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable

from services.cli.terminal.session import open_session
from testbed.demo import screen
from testbed.demo.tour import ANNA, HALVORSEN, HELEN, LUC, Tour
from testbed.demo.world import FOLDER, ROOT, World, open_world, stages
from testbed.local import HostingError

_FILLER = "<id from the list>"


async def tour(world: World, check: Callable[[], None]) -> str:
    """Go through the steps and return the last line."""
    async with open_session() as session:
        steps = Tour(world, session.store, check)
        steps.prepare()
        steps.connect()
        await steps.backfill()
        await steps.confirmations()
        await steps.pages()
        await steps.new_mail()
        await steps.on_the_phone()
        await steps.late_contact()
        return await steps.summary()


def play(world: World) -> None:
    """Print commands to try, and wait for Ctrl-C."""
    file = world.write_environment().relative_to(ROOT)
    screen.step(9, "The system keeps running: try it from another terminal")
    record, viewer = HALVORSEN.addresses[0], ANNA.addresses[0]
    for command in (
        f". {file}",
        "leadmail status --watch",
        f"leadmail emails {record} --viewer {viewer}",
        f"leadmail email show {_FILLER} --viewer {viewer}",
        f"leadmail account sharing {LUC.addresses[0]} --sharing private",
        f"leadmail explain {record} {_FILLER} --viewer {HELEN.addresses[0]}",
        "leadmail run console &",
        f"leadmail console link {viewer}",
    ):
        screen.say(f"  {command}", style="bold cyan")
    imap = world.servers.imap
    screen.say("")
    screen.say(f"The mailboxes are open to any mail program: IMAP at {imap.host}, port {imap.port}, without TLS;")
    for user in (ANNA, LUC, HELEN):
        screen.say(f"  {user.addresses[0]}  {world.passwords[user.key]}")
    screen.say("")
    screen.say("Ctrl-C ends everything.", style="bold")


def main() -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the tour")
    once = parser.parse_args().once
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that everything stops in order
    screen.say("Starting RabbitMQ, MongoDB, Dovecot, an SMTP server and Leadmail's four stages …", style="dim")
    try:
        with open_world() as world:
            os.environ.update(world.environment)
            with stages(world) as check:
                last = asyncio.run(tour(world, check))
                if not once:
                    play(world)
                screen.console.print()
                screen.console.print(last, style="bold green", markup=False)
                if not once:
                    signal.pause()
    except KeyboardInterrupt:
        screen.say("The demo has ended.", style="dim")
    except (HostingError, RuntimeError) as error:
        screen.say(f"demo: {error}", style="red")
        return 1
    finally:
        (FOLDER / "env").unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
