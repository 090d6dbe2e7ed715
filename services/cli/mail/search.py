"""``leadmail search`` and ``leadmail thread``: mail across all records, as a viewer may see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from services.cli.mail.email_page import EmailId
from services.cli.mail.record_page import SHOWN_ID, Viewer
from services.cli.results import mail as results
from services.cli.results.base import prints
from services.cli.terminal.output import Json, fail, line, moment, print_json, say, table
from services.cli.terminal.session import USAGE, command, open_session
from services.store import FoundEmail
from services.wording import people, plural

search_app = typer.Typer(add_completion=False)
thread_app = typer.Typer(add_completion=False)


@search_app.command()
@prints(list[results.FoundEmail])
@command
async def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Words that an email contains, all of them.")],
    viewer: Viewer,
    record: Annotated[
        str | None, typer.Option(metavar="RECORD", help="Only mail of this lead or contact: an address, or kind:id.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Search subjects, text, names, addresses and file names of the mail that the viewer can see; newest first."""
    async with open_session() as session:
        refs = [None] if record is None else [one.ref for one in await session.store.records.find(record)]
        try:
            parts = [await session.store.email_search.search(viewer, text, record=ref, limit=limit) for ref in refs]
        except ValueError as error:
            fail(str(error), code=USAGE)
    found = sorted((one for part in parts for one in part), key=lambda one: one.line.sent_at, reverse=True)[:limit]
    _print(found, as_json=as_json, none=f"No email that {viewer} can see contains these words.")


@thread_app.command()
@prints(list[results.FoundEmail])
@command
async def thread(email: EmailId, viewer: Viewer, as_json: Json = False) -> None:
    """Show those emails of a thread that the viewer can see; oldest first."""
    async with open_session() as session:
        key = await session.store.email_ids.full_key(viewer, email)
        found = await session.store.email_search.thread(viewer, key)
    _print(found, as_json=as_json, none="")


def _print(found: Sequence[FoundEmail], *, as_json: bool, none: str) -> None:
    if as_json:
        print_json([results.FoundEmail.of(one.line, records=one.records) for one in found])
        return
    if not found:
        say(none, style="dim")
        return
    rows = [
        (
            Text("<-" if one.line.direction == "in" else "->"),
            Text(moment(one.line.sent_at)),
            line(f"{one.line.subject or '(no subject)'}  {one.line.snippet}"),
            line(people(one.line.participants)),
            Text(", ".join(map(str, one.records))),
            Text(one.line.email[:SHOWN_ID], style="dim"),
        )
        for one in found
    ]
    table(None, ("", "date", "subject", "with", "on", "id"), rows, cut=("subject", "with"))
    say(f"{plural(len(found), 'email')}.", style="dim")
