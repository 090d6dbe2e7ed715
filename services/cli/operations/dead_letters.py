"""``leadmail dead-letters``: messages that could not be processed. Each stands for one quarantined copy; its raw mail is kept."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.routes import ROUTES
from services.cli.results import operations as results
from services.cli.results.base import prints
from services.cli.terminal.completion import account_names
from services.cli.terminal.output import Json, Yes, confirm, moment, print_json, say, table, write_bytes
from services.cli.terminal.session import command, do, open_session
from services.store import OPERATOR, DeadLetter
from services.usecases import dead_letters

app = typer.Typer(no_args_is_help=True, add_completion=False)

DeadLetterId = Annotated[str, typer.Argument(metavar="ID", help="The id as `leadmail dead-letters list` shows it.")]
_ALL = 100_000
_NAME = 100
_QUEUES = frozenset(route.queue for route in ROUTES)


def name_of(text: str) -> str:
    """Return the name of the person who decides, for the audit log and the copy's reason."""
    name = " ".join(text.split())
    if not name or len(name) > _NAME or not name.isprintable():
        raise typer.BadParameter(f"use an address or a name of at most {_NAME} characters")
    return name


@app.command("list")
@prints(list[results.DeadLetterResult])
@command
async def list_dead_letters(
    account: Annotated[
        str | None,
        typer.Option(
            metavar="ACCOUNT", autocompletion=account_names, help="Only dead letters of this account (address or id)."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """List dead letters, newest first."""
    async with open_session() as session:
        wanted = None if account is None else (await session.store.accounts.find(account)).id
        found = await session.store.dead_letters.newest(account=wanted, limit=limit)
    if as_json:
        print_json([results.DeadLetterResult.of(letter) for letter in found])
    elif found:
        rows = [(letter.id, moment(letter.at), letter.queue, letter.reason, letter.error) for letter in found]
        table(None, ("id", "since", "queue", "reason", "last error"), rows)
    else:
        say("There are no dead letters.")


@app.command("show")
@prints(results.DeadLetterDetails)
@command
async def show(
    dead_letter: DeadLetterId,
    body: Annotated[
        bool, typer.Option("--body", help="Write the message's body (the raw mail) to standard output.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show a dead letter."""
    async with open_session() as session:
        found = await session.store.dead_letters.get(dead_letter)
        if body:
            write_bytes(await dead_letters.body_of(found, session.store))
            return
        place = await dead_letters.location_of(found, session.store)
    if as_json:
        print_json(results.DeadLetterDetails.of(found, octets=dead_letters.size_of(found), copy_=place))
    else:
        rows = [
            ("queue", found.queue),
            ("reason", found.reason),
            ("last error", found.error or "-"),
            ("since", moment(found.at)),
            ("copy", found.row or "-"),
            *(_words(place) if place else ()),
            ("octets", f"{dead_letters.size_of(found):,}"),
            *sorted(found.headers.items()),
        ]
        say(found.id, style="bold")
        table(None, ("", ""), rows)


def _words(place: dead_letters.CopyLocation) -> tuple[tuple[str, str], ...]:
    where = f"{place.account}, folder {place.folder}, message {place.uid}, received {moment(place.received_at)}"
    return ("mailbox", where), ("state", place.state.value + (f": {place.reason}" if place.reason else ""))


@app.command("replay")
@command
async def replay(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of dead letters, or `all`.")],
    by: Annotated[
        str, typer.Option(parser=name_of, metavar="WHO", help="Who decides this, for the audit log.")
    ] = OPERATOR,
) -> None:
    """Send dead letters to their queues again, one by one. Their copies count as unfinished until they are processed."""
    async with open_session() as session, session.bus() as bus:
        kept = session.store.dead_letters
        wanted = [one.id for one in await kept.newest(limit=_ALL)] if ids == ["all"] else list(dict.fromkeys(ids))
        if ids != ["all"]:
            for one in wanted:
                await kept.get(one)  # fail on a wrong id before anything is sent
        for one in wanted:
            letter = await kept.get(one)
            if letter.queue not in _QUEUES:
                say(
                    f"{one} was skipped: it did not come from a Leadmail queue. Inspect it with `leadmail dead-letters show`, or drop it."
                )
                continue
            await dead_letters.replay(letter, session.store, bus, by=by)
            say(f"{one} was sent to {letter.queue} again.")
        if not wanted:
            say("There are no dead letters.")


@app.command("drop")
def drop(
    dead_letter: DeadLetterId,
    by: Annotated[
        str,
        typer.Option(parser=name_of, metavar="WHO", help="Who decides this, for the copy's reason and the audit log."),
    ] = OPERATOR,
    yes: Yes = False,
) -> None:
    """Drop a dead letter: its copy is marked as skipped, its body is deleted."""
    found = do(_find(dead_letter))
    confirm(f"Permanently drop {dead_letter} ({found.reason})?", yes=yes, otherwise="nothing was dropped")
    do(_drop(found, by))
    say(f"{dead_letter} was dropped.")


async def _find(dead_letter: str) -> DeadLetter:
    async with open_session() as session:
        return await session.store.dead_letters.get(dead_letter)


async def _drop(dead_letter: DeadLetter, by: str) -> None:
    async with open_session() as session:
        await dead_letters.drop(dead_letter, session.store, by=by)
