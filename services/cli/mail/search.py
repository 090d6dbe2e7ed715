"""``leadmail search`` and ``leadmail thread``: mail across all records, as a viewer may see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from schemas.records import RecordRef
from services.cli.mail.email_page import EmailId
from services.cli.mail.record_page import SHOWN_ID, Viewer, readable_records
from services.cli.results import mail as results
from services.cli.results.base import prints
from services.cli.terminal.completion import record_names
from services.cli.terminal.output import USAGE, Json, errors, fail, line, moment, print_json, say, table
from services.cli.terminal.session import command, open_session
from services.store import FoundEmail, SearchResult
from services.wording import people, plural

search_app = typer.Typer(add_completion=False)
thread_app = typer.Typer(add_completion=False)


@search_app.command()
@prints(list[results.FoundEmailResult])
@command
async def search(  # noqa: PLR0917 - typer names them by keyword
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Words that an email contains, all of them.")],
    viewer: Viewer,
    record: Annotated[
        str | None,
        typer.Option(
            metavar="RECORD",
            autocompletion=record_names,
            help="Only mail of this lead or contact: an address, or kind:id.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    before: Annotated[str | None, typer.Option(help="Continue where the last search ended.")] = None,
    as_json: Json = False,
) -> None:
    """Search subjects, text, names, addresses and file names of the mail that the viewer can see; newest first.

    One search reads at most 5,000 emails. If older mail remains, it says so on standard error, with the --before that continues.
    """
    async with open_session() as session:
        refs = [None] if record is None else [one.ref for one in await readable_records(session, record, viewer)]
        try:
            parts = [
                await session.store.email_search.search(viewer, text, record=ref, limit=limit, before=before)
                for ref in refs
            ]
        except ValueError as error:
            fail(str(error), code=USAGE)
    found = sorted((one for part in parts for one in part), key=lambda one: one.line.sent_at, reverse=True)[:limit]
    cut_short = any(part.cut_short for part in parts)
    where = "No email that this search read" if cut_short else f"No email that {viewer} can see"
    _print(found, as_json=as_json, none=f"{where} contains these words.")
    for ref, part in zip(refs, parts, strict=True):
        if part.before:
            _say_how_far(part, ref)


def _say_how_far(part: SearchResult, record: RecordRef | None) -> None:
    """Say on standard error, which leaves JSON as it is, how to search older mail."""
    on = f" on {record}" if record else ""
    read = (
        f"This search read {plural(part.read, 'email')}{on}, back to {moment(part.back_to)}. " if part.cut_short else ""
    )
    option = f" --record {record}" if record else ""
    say(f"{read}To search older mail{on}, repeat it with{option} --before '{part.before}'.", style="dim", on=errors)


@thread_app.command()
@prints(list[results.FoundEmailResult])
@command
async def thread(email: EmailId, viewer: Viewer, as_json: Json = False) -> None:
    """Show those emails of a thread that the viewer can see; oldest first."""
    async with open_session() as session:
        key = await session.store.reading.full_key(viewer, email)
        found = await session.store.email_search.thread(viewer, key)
    _print(found, as_json=as_json, none="")
    if found.cut_short:
        say("There are more emails in this thread than are shown.", style="dim", on=errors)


def _print(found: Sequence[FoundEmail], *, as_json: bool, none: str) -> None:
    if as_json:
        print_json([results.FoundEmailResult.of(one.line, records=one.records) for one in found])
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
