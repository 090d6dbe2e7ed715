"""``leadmail lead`` and ``leadmail contact``: ``edit`` and ``delete``, for records that were added by these commands."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.records import Record, RecordKind
from services.cli.terminal.completion import record_names
from services.cli.terminal.output import USAGE, Yes, confirm, fail, say
from services.cli.terminal.session import Session, command, do, open_session
from services.store import OPERATOR, RecordEdit, RecordMail
from services.wording import plural

OwnRecord = Annotated[
    str, typer.Argument(metavar="RECORD", autocompletion=record_names, help="An address, or the record's id.")
]
Rehearsal = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")]


def add_changes(app: typer.Typer, kind: RecordKind) -> None:
    """Add the commands that change a kind of record."""

    @app.command("edit", help=f"Change a {kind} that was added by `leadmail {kind}`. Its mail follows its addresses.")
    @command
    async def edit(
        name: OwnRecord,
        *,
        emails: Annotated[
            list[str] | None,
            typer.Option(
                "--email",
                metavar="EMAIL",
                help="An address from now on, repeated for more; the first is the main one. Mail of addresses that are left out "
                "stays on the record.",
            ),
        ] = None,
        new_name: Annotated[str | None, typer.Option("--name", help="Name; empty for none.")] = None,
        owner: Annotated[
            str | None, typer.Option(metavar="EMAIL", help="The user who owns it; empty for none.")
        ] = None,
        company: Annotated[str | None, typer.Option(help="Company; empty for none.")] = None,
        dry_run: Rehearsal = False,
    ) -> None:
        change = RecordEdit(tuple(emails) if emails else None, new_name, owner, company)
        if all(value is None for value in change):
            fail("nothing to change: give --email, --name, --owner or --company", code=USAGE)
        async with open_session(setup=True) as session:
            before = await _found(session, kind, name)
            if owner:
                change = change._replace(owner=(await session.store.users.get(owner)).email)
            if dry_run:
                after = session.store.own_records.edited(before, change)
            else:
                after = await session.store.own_records.edit(before.ref, change, by=OPERATOR)
        say(f"{before.ref} {'would be' if dry_run else 'is'} changed:")
        for what, old, new in (
            ("name", before.name, after.name),
            ("addresses", ", ".join(before.addresses), ", ".join(after.addresses)),
            ("owner", before.owner or "", after.owner or ""),
            ("company", before.company or "", after.company or ""),
        ):
            if old != new:
                say(f"  {what}: {old or 'none'} -> {new or 'none'}")
        if past := [address for address in before.addresses if address not in after.addresses]:
            say(f"Mail of {', '.join(past)} stays on it.", style="dim")

    @app.command(
        "delete", help=f"Delete a {kind} that was added by `leadmail {kind}`. Shows first what disappears with it."
    )
    def delete(name: OwnRecord, dry_run: Rehearsal = False, yes: Yes = False) -> None:
        record, mail = do(_extent(kind, name))
        label = f"{record.name or ', '.join(record.addresses)} ({record.ref})"
        say(f"{label} has {plural(mail.emails, 'email')}. {_lost(mail)}")
        if dry_run:
            say("Nothing was deleted.", style="dim")
            return
        confirm(f"Delete the {kind}?", yes=yes, otherwise="nothing was deleted")
        do(_delete(record))
        say(f"{label} is deleted.")


def _lost(mail: RecordMail) -> str:
    if not mail.only_here:
        return "All of them are on other records, too." if mail.emails else "Nothing else disappears."
    several = mail.only_here != 1
    return (
        f"{plural(mail.only_here, 'email')} of these {'are' if several else 'is'} on no other record: "
        f"no one sees {'them' if several else 'it'} any more, and the stored content is deleted after a while."
    )


async def _extent(kind: RecordKind, name: str) -> tuple[Record, RecordMail]:
    async with open_session(setup=True) as session:
        record = await _found(session, kind, name)
        return record, await session.store.own_records.mail(record.ref)


async def _delete(record: Record) -> None:
    async with open_session(setup=True) as session:
        await session.store.own_records.delete(record.ref, by=OPERATOR)


async def _found(session: Session, kind: RecordKind, name: str) -> Record:
    """Return the one record of a kind that is meant, if it may be changed; exits if there are several."""
    found = [record for record in await session.store.records.find(name) if record.ref.kind == kind]
    if not found:
        fail(f"there is no {kind} {name}")
    if len(found) > 1:
        fail(f"{name} is an address of several {kind}s: name one of {', '.join(one.ref.id for one in found)}")
    return await session.store.own_records.check(found[0].ref)
