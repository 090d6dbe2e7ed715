"""``leadmail emails``: the record page of a lead or contact, as a viewer may see it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from schemas.mail import Role
from schemas.records import Record, RecordRef
from services.cli.results import mail as results
from services.cli.results.base import prints
from services.cli.terminal.completion import record_names, user_names
from services.cli.terminal.output import USAGE, Json, clean, console, fail, line, moment, print_json, say, table
from services.cli.terminal.session import Session, command, open_session
from services.store import EmailPage, NotFoundError, SuggestedAddress, VisibleEmail
from services.wording import people, plural

app = typer.Typer(add_completion=False)

Viewer = Annotated[
    str,
    typer.Option(
        metavar="EMAIL", autocompletion=user_names, help="The user whose view to show; the sharing rule applies."
    ),
]
RecordName = Annotated[
    str,
    typer.Argument(
        metavar="RECORD", autocompletion=record_names, help="An address of the lead or contact, or kind:id."
    ),
]
SHOWN_ID = 14
"""Characters of an email's id in tables; every command accepts the start of an id."""
_SUBJECT = 72
"""Columns for subject and snippet."""


@app.command()
@prints(list[results.RecordPage])
@command
async def page(
    record: RecordName,
    viewer: Viewer,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    before: Annotated[str | None, typer.Option(help="Continue where the last page ended.")] = None,
    as_json: Json = False,
) -> None:
    """Show a record page: the mail of a lead or contact that the viewer can see, newest first."""
    shown: list[tuple[Record, EmailPage, int]] = []
    offered: dict[RecordRef, list[SuggestedAddress]] = {}
    async with open_session() as session:
        for found in await readable_records(session, record, viewer):
            try:
                part = await session.store.reading.visible_emails(viewer, found.ref, limit=limit, before=before)
            except ValueError:
                fail("--before is not valid: omit it to start at the newest email", code=USAGE)
            shown.append((found, part, await session.store.reading.count(viewer, found.ref)))
            offered[found.ref] = await session.store.suggesting.suggested_addresses(viewer, found.ref)
    if as_json:
        print_json(
            [
                results.RecordPage.of(part, record=found, count=count, suggested_addresses=offered[found.ref])
                for found, part, count in shown
            ]
        )
        return
    for found, part, count in shown:
        _print_page(found, part.emails, viewer, count)
        for one in offered[found.ref]:
            name = f" ({one.name})" if one.name else ""
            say(
                f"{one.address}{name} replies in these threads ({plural(one.emails, 'email')}) and may be "
                f"{found.name or 'the same person'}. If so, add the address to the {found.ref.kind} in the CRM.",
                style="dim",
            )
        if part.before:
            say(f"More: leadmail emails {found.ref} --viewer {viewer} --before '{part.before}'", style="dim")


async def readable_records(session: Session, name: str, viewer: str) -> list[Record]:
    """Return the records of a name that a viewer may read.

    Raises:
        NotFoundError: there is no such record, or the CRM hides it from the viewer: the two look the same.
    """
    found = await session.store.records.find(name)
    readable = await session.store.record_search.named(viewer, tuple(one.ref for one in found))
    if not readable:
        raise NotFoundError(f"there is no lead or contact {name}")
    return list(readable.values())


def _print_page(record: Record, emails: Sequence[VisibleEmail], viewer: str, count: int) -> None:
    name = record.name or ", ".join(record.addresses)
    seen_as = f"{plural(count, 'email')} that {viewer} can see"
    head = Text.assemble((clean(name), "bold"), f"  {record.ref.kind}, {', '.join(record.addresses)}: {seen_as}")
    console.print(head)
    if emails:
        columns, cut = ("", "date", "thread", "subject", "with", "held by", "", "id"), ("subject", "with", "held by")
        threads = _threads(emails)
        table(None, columns, [_row(email, viewer, threads[email.thread]) for email in emails], cut=cut)
    console.print()


def _threads(emails: Sequence[VisibleEmail]) -> dict[str, str]:
    """Return a label for each thread: numbered from the top, empty for a thread of one email."""
    sizes = Counter(email.thread for email in emails)
    numbers = itertools.count(1)
    return {thread: f"#{next(numbers)}" if size > 1 else "" for thread, size in sizes.items()}


def _row(email: VisibleEmail, viewer: str, thread: str) -> tuple[Text, ...]:
    own = any(copy.own for copy in email.copies)
    unread = own and "\\Seen" not in email.flags
    arrow = "<-" if email.direction == "in" else "->"
    subject = line(email.subject or "(no subject)", "bold" if unread else "")
    subject.truncate(_SUBJECT, overflow="ellipsis")
    subject.append("  ").append_text(line(email.snippet, "dim"))
    subject.truncate(_SUBJECT, overflow="ellipsis")
    extras = [f"{len(email.attachments)} att."] if email.attachments else []
    extras += ["answered"] if own and "\\Answered" in email.flags else []
    extras += ["bounce"] if email.marks.bounce else []
    extras += ["not delivered"] if email.failures else []
    extras += ["by thread"] if any(reason.role is Role.THREAD for reason in email.reasons) else []
    extras += [f"also {key[:SHOWN_ID]}" for key in email.also]
    holders = ", ".join("you" if holder == viewer else holder.partition("@")[0] for holder in email.holders)
    where = f" ({email.folder})" if own else ""
    return (
        Text(arrow, style="green" if arrow == "<-" else "blue"),
        Text(moment(email.sent_at)),
        Text(thread, style="dim"),
        subject,
        line(people(email.participants)),
        line(holders + where),
        Text(", ".join(extras), style="dim"),
        Text(email.email[:SHOWN_ID], style="dim"),
    )
