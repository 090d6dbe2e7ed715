"""``leadmail privacy``: requests of data subjects: export or erase everything stored about an address."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from schemas.addresses import normal_address
from schemas.mail import Content
from services.cli.company.export_archive import STANDARD_OUTPUT, ExportArchive, file_name, open_archive, write
from services.cli.results.base import prints
from services.cli.results.operations import Erasure
from services.cli.terminal.completion import record_names, user_names
from services.cli.terminal.output import Json, Yes, as_bytes, confirm, errors, print_json, say
from services.cli.terminal.session import Session, command, do, explained, open_session
from services.store import Dossier, ErasureCounts, NotFoundError
from services.usecases.dead_letters import body_of
from services.wording import plural

app = typer.Typer(no_args_is_help=True, add_completion=False)

Address = Annotated[
    str, typer.Argument(metavar="ADDRESS", autocompletion=record_names, help="The person's email address.")
]
Administrator = Annotated[
    str, typer.Option("--by", metavar="EMAIL", autocompletion=user_names, help="The administrator who requests this.")
]


@app.command("export")
@command
async def export(
    address: Address,
    by: Administrator,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|FILE.zip|-",
            help="A new folder or ZIP file, or - for a ZIP file on standard output. Default: a ZIP file in the current folder.",
        ),
    ] = None,
) -> None:
    """Export everything stored about an address: records, emails with attachments, copies, audit log entries."""
    wanted = normal_address(address)
    target = output or Path(f"leadmail-{wanted.replace('/', '_')}-{datetime.now(UTC):%Y%m%d-%H%M%S}.zip")
    async with open_session(setup=True) as session:
        dossier = await session.store.exporting.export(wanted, by=by)
        with open_archive(target) as archive:
            await _fill(archive, dossier, session)
    on, where = (errors, "standard output") if target == STANDARD_OUTPUT else (None, str(target))
    say(
        f"{plural(len(dossier.emails), 'email')}, {plural(len(dossier.records), 'record')}, "
        f"{plural(len(dossier.dead_letters), 'dead letter')} and {plural(len(dossier.audit), 'log entry', 'log entries')} "
        f"about {wanted} are in {where}.",
        on=on,
    )
    if deleted := sum(email.deleted_at is not None for email in dossier.emails):
        say(f"Deleted in the CRM, but still kept: {plural(deleted, 'email')} of these; see about.json.", on=on)
    if dossier.unread:
        say(f"Only the location of {plural(len(dossier.unread), 'more email')} is known; see about.json.", on=on)


async def _fill(archive: ExportArchive, dossier: Dossier, session: Session) -> None:
    dead_letters = [{"id": one.id, "reason": one.reason, "at": one.at} for one in dossier.dead_letters]
    about = {**dossier._asdict(), "exported_at": datetime.now(UTC), "dead_letters": dead_letters}
    with archive.create("about.json") as file:
        file.write(as_bytes(about))
    number = 0
    async for content in session.store.exporting.contents(dossier.emails):
        number += 1
        await _email(archive, f"emails/{number:05d}-{content.key[:11]}", content, session)
    for number, letter in enumerate(dossier.dead_letters, 1):
        try:
            body = await body_of(letter, session.store)
        except NotFoundError:
            continue  # it was replayed or dropped in the meantime
        with archive.create(f"dead-letters/{number:05d}.eml") as file:
            file.write(body)


async def _email(archive: ExportArchive, folder: str, content: Content, session: Session) -> None:
    with archive.create(f"{folder}/email.json") as file:
        file.write(as_bytes(content))
    try:
        raw = await session.store.exporting.raw(content)
    except NotFoundError:
        return  # it was deleted in the meantime
    with archive.create(f"{folder}/mail.eml") as file:
        file.write(raw)
    for number, attachment in enumerate(content.attachments, 1):
        name = f"{folder}/attachments/{file_name(number, attachment.name)}"
        await write(archive, name, session.store.blobs.stream(attachment.sha256))


@app.command("erase")
@prints(Erasure)
def erase(
    address: Address,
    by: Administrator,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted, and change nothing.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Permanently erase what is stored about an address: its links, and mail that nothing else keeps on a record.

    Mail that is on a record through another address stays. The mailboxes keep their mail.
    """
    with explained():
        wanted = normal_address(address)
    counts, reminders = do(_counts(wanted, by))
    if not as_json:
        for sentence in _sentences(wanted, counts):
            say(sentence)
    if not dry_run:
        question = f"Permanently erase {plural(counts.emails, 'email')}?"
        confirm(question, yes=yes, otherwise="nothing was erased")
        counts = do(_erase(wanted, by))
    if as_json:
        print_json(Erasure.of(counts, erased=not dry_run))
        return
    if not dry_run:
        say("Erased. Blobs that are no longer needed are deleted within a few minutes.", style="green")
    for sentence in reminders:
        say(sentence, style="yellow")


def _sentences(address: str, counts: ErasureCounts) -> tuple[str, str, str]:
    deleted = (
        f"{plural(counts.emails, 'email')} would be permanently deleted, because nothing else keeps them on a record."
    )
    kept = f"{counts.kept:,} more would stay on other records or through another address."
    copies, letters = plural(counts.copies, "copy", "copies"), plural(counts.dead_letters, "dead letter")
    return (
        f"{address}: on {plural(counts.records, 'record')}, with {plural(counts.links, 'link')}.",
        f"{deleted} {kept}",
        f"{copies} of unimported mail would lose the keyed hash of the address; {letters} would be deleted.",
    )


async def _counts(address: str, by: str) -> tuple[ErasureCounts, list[str]]:
    """Return the counts, and what is left for the administrator to do."""
    async with open_session() as session:
        counts = await session.store.erasing.counts(address, by=by)
        refs = await session.store.data_subjects.records_of(address)
        present = await session.store.records.read_many(refs)
        reminders = [
            f"{ref} still has this address in the CRM: delete or change it there."
            for ref in present
            if address in present[ref].addresses
        ]
        others = sorted({one for record in present.values() for one in record.addresses} - {address})
        if others:
            reminders.append(
                f"The same records also have {', '.join(others)}: also erase these if they belong to the same person."
            )
        own = [account for account in await session.store.accounts.get_all() if address in account.own_addresses]
        reminders += [
            f"It belongs to the mailbox {account.address}: `leadmail account remove --purge` removes that."
            for account in own
        ]
        return counts, reminders


async def _erase(address: str, by: str) -> ErasureCounts:
    async with open_session(setup=True) as session:
        return await session.store.erasing.erase(address, by=by)
