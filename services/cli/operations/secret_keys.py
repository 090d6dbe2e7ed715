"""``leadmail secrets``: which secret is still needed, and replacing one by another while everything runs."""

from __future__ import annotations

import asyncio
import functools
from typing import Annotated

import typer
from rich.text import Text

from services.cli.results import operations as results
from services.cli.results.base import prints
from services.cli.terminal.output import USAGE, Json, fail, print_json, say, table
from services.cli.terminal.session import Session, command, open_session
from services.usecases import key_rotation
from services.usecases.key_rotation import RotationRefusedError, RotationStatus
from services.wording import plural

app = typer.Typer(no_args_is_help=True, add_completion=False)
_LOOK_SECONDS = 2.0


@app.command("status")
@prints(results.SecretsStatus)
@command
async def status(as_json: Json = False) -> None:
    """Show what is under which secret, and which earlier ones may be removed from LEADMAIL_SECRET_KEYS_OLD."""
    async with open_session() as session:
        _require_secret(session)
        found = await key_rotation.read_status(session.store, session.box)
    _print(found, as_json=as_json)


@app.command("rotate")
@prints(results.SecretsStatus)
@command
async def rotate(
    show: Annotated[
        bool, typer.Option("--status", help="Only show how far it is, like `leadmail secrets status`.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what is to be done.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until the pollers have marked the ledger again.")
    ] = True,
    lost: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="A secret that no one has any more. Its passwords have to be entered again, and addresses erased under it can link "
            "mail again. May be repeated.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Replace earlier secrets by LEADMAIL_SECRET_KEY: seals passwords, marks the ledger again. Stages keep running.

    First put the new secret into LEADMAIL_SECRET_KEY and the previous one at the head of LEADMAIL_SECRET_KEYS_OLD, for every
    process, and restart. You can interrupt the command and run it again: it continues. No one types a password again.
    """
    async with open_session() as session:
        _require_secret(session)
        store, box = session.store, session.box
        if not (show or dry_run):
            try:
                tell = functools.partial(_tell, as_json=as_json)
                await key_rotation.start(store, box, progress=tell, lost=lost or ())
            except RotationRefusedError as error:
                fail(str(error))
            left = -1
            while not await key_rotation.finish(store, box) and wait:
                uses = await store.key_rotation.uses()
                if uses.left != left:
                    _tell(f"{plural(uses.left, 'row waits', 'rows wait')} for a poller", as_json=as_json)
                left = uses.left
                await asyncio.sleep(_LOOK_SECONDS)
        found = await key_rotation.read_status(store, box)
    _print(found, as_json=as_json)


def _tell(text: str, *, as_json: bool) -> None:
    if not as_json:
        say(text, style="dim")


def _require_secret(session: Session) -> None:
    if not session.settings.secret_key.get_secret_value():
        fail("LEADMAIL_SECRET_KEY is not set", code=USAGE)


def _print(found: RotationStatus, *, as_json: bool) -> None:
    if as_json:
        print_json(results.SecretsStatus.of(found))
        return
    rows = [
        (
            key.id,
            key.setting or Text("in no setting", style="bold red" if key.needed else ""),
            "needed" if key.needed else Text("no longer needed", style="green"),
            f"{key.passwords:,}",
            f"{key.rows:,}",
            f"{key.addresses:,}",
        )
        for key in found.keys
    ]
    table(None, ("secret", "setting", "", "passwords", "rows to mark", "addresses to mark"), rows)
    for one in found.accounts:
        say(f"{one.address} ({one.state.value}): {plural(one.rows, 'row')} under an earlier secret; {one.advice}.")
    for name in found.outdated:
        say(f"{name} lacks the current secret: restart it with the present settings.", style="yellow")
    if found.missing:
        say(f"Add {', '.join(found.missing)} to LEADMAIL_SECRET_KEYS_OLD again: it is still needed.", style="bold red")
    elif found.removable:
        say(f"You can remove {', '.join(found.removable)} from LEADMAIL_SECRET_KEYS_OLD and restart.", style="green")
    elif found.finished:
        say("Everything is under LEADMAIL_SECRET_KEY.", style="green")
    else:
        say("Run `leadmail secrets rotate` to replace the earlier secrets.", style="yellow")
