"""``leadmail dead-letters``: messages that could not be handled; each is one quarantined copy with its raw mail kept."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from services.cli.output import Json, fail, moment, print_json, say, table
from services.cli.session import OPERATOR, command, open_session

app = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")

LetterId = Annotated[str, typer.Argument(metavar="ID", help="As `leadmail dead-letters list` shows it.")]


@app.command("list")
@command
async def list_(
    account: Annotated[str | None, typer.Option(help="Only those of this account.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    as_json: Json = False,
) -> None:
    """List dead letters, newest first."""
    async with open_session() as session:
        wanted = None if account is None else (await session.store.accounts.find(account)).id
        letters = await session.store.dead_letters.list(account=wanted, limit=limit)
    if as_json:
        print_json([letter.model_dump(mode="json", exclude={"body", "headers"}) for letter in letters])
    elif letters:
        rows = [(letter.id, moment(letter.at), letter.queue, letter.reason, letter.error) for letter in letters]
        table(None, ("id", "since", "queue", "reason", "last error"), rows)
    else:
        say("There are none.")


@app.command("show")
@command
async def show(
    letter: LetterId,
    body: Annotated[
        bool, typer.Option("--body", help="Write the message's body (the raw mail) to standard output.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show a dead letter."""
    async with open_session() as session:
        found = await session.store.dead_letters.get(letter)
    if body:
        sys.stdout.buffer.write(found.body)
    elif as_json:
        print_json(found.model_dump(mode="json", exclude={"body"}) | {"octets": len(found.body)})
    else:
        rows = [
            ("queue", found.queue),
            ("reason", found.reason),
            ("last error", found.error),
            ("since", moment(found.at)),
            ("copy", found.row or "-"),
            ("octets", f"{len(found.body):,}"),
            *sorted(found.headers.items()),
        ]
        table(found.id, ("", ""), rows)


@app.command("replay")
@command
async def replay(
    letters: Annotated[list[str], typer.Argument(metavar="ID...", help="Dead letters, or `all`.")],
) -> None:
    """Send dead letters to their queues again, one by one; their copies are unfinished until they have been handled."""
    async with open_session() as session, session.bus() as bus:
        store = session.store
        ids = [one.id for one in await store.dead_letters.list(limit=100_000)] if letters == ["all"] else letters
        for letter_id in ids:
            letter = await store.dead_letters.get(letter_id)
            if letter.row:
                await store.ledger.requeue_quarantined(letter.row)
            await bus.replay(letter.queue, letter.body, {**letter.headers, "content-type": letter.content_type})
            await store.dead_letters.remove(letter_id)
            await store.audit.add(
                "dead-letter.replay",
                by=OPERATOR,
                subject=f"dead-letter:{letter_id}",
                queue=letter.queue,
                row=letter.row,
            )
            say(f"{letter_id} was sent to {letter.queue} again.")
        if not ids:
            say("There are none.")


@app.command("drop")
@command
async def drop(
    letter: LetterId,
    by: Annotated[str, typer.Option(help="Who decides so.")] = OPERATOR,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Give a dead letter up: its copy ends as skipped, its body goes."""
    if not yes and not typer.confirm(f"Give {letter} up for good?"):
        fail("Nothing was dropped.")
    async with open_session() as session:
        store = session.store
        found = await store.dead_letters.get(letter)
        if found.row:
            await store.ledger.drop_quarantined(found.row, by=by)
        await store.dead_letters.remove(letter)
        await store.audit.add(
            "dead-letter.drop", by=by, subject=f"dead-letter:{letter}", queue=found.queue, row=found.row
        )
    say(f"{letter} is given up.")
