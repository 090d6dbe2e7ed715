"""``leadmail privacy``: what a person may ask for about an address: a copy of what is stored, and that it goes."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from schemas.addresses import normal_address
from schemas.mail import Content
from services.cli.company.export_archive import Parcel, file_name, parcel, write
from services.cli.results.base import prints
from services.cli.results.operations import Erasure
from services.cli.terminal.output import Json, Yes, as_bytes, fail, print_json, say
from services.cli.terminal.session import USAGE, Session, command, do, explained, open_session
from services.store import Dossier, ErasureCounts, NotFoundError
from services.usecases.dead_letters import body_of
from services.wording import plural

app = typer.Typer(no_args_is_help=True, add_completion=False)

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The person's e-mail address.")]
Administrator = Annotated[str, typer.Option("--by", metavar="EMAIL", help="The administrator whose act this is.")]


@app.callback()
def group() -> None:
    """Requests of data subjects: an export of what is stored about an address, its erasure. Acts of an administrator."""


@app.command("export")
@command
async def export(
    address: Address,
    by: Administrator,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR|FILE.zip", help="A new folder, or a ZIP file. By default a ZIP file in this folder."),
    ] = None,
) -> None:
    """Write everything that is stored about an address: records, emails with their attachments, copies, log entries."""
    wanted = normal_address(address)
    target = output or Path(f"leadmail-{wanted.replace('/', '_')}-{datetime.now(UTC):%Y%m%d-%H%M%S}.zip")
    async with open_session(setup=True) as session:
        dossier = await session.store.privacy.export(wanted, by=by)
        with parcel(target) as into:
            await _fill(into, dossier, session)
    say(
        f"{plural(len(dossier.emails), 'email')}, {plural(len(dossier.records), 'record')}, "
        f"{plural(len(dossier.dead_letters), 'dead letter')} and {plural(len(dossier.audit), 'log entry', 'log entries')} "
        f"about {wanted} are in {target}."
    )
    if dossier.unread:
        say(f"Of {plural(len(dossier.unread), 'further mail')} only the place is known; see about.json.")


async def _fill(into: Parcel, dossier: Dossier, session: Session) -> None:
    letters = [{"id": one.id, "reason": one.reason, "at": one.at} for one in dossier.dead_letters]
    about = {**dossier._asdict(), "exported_at": datetime.now(UTC), "dead_letters": letters}
    with into.open("about.json") as file:
        file.write(as_bytes(about))
    number = 0
    async for content in session.store.privacy.contents(dossier.emails):
        number += 1
        await _email(into, f"emails/{number:05d}-{content.key[:11]}", content, session)
    for place, letter in enumerate(dossier.dead_letters, 1):
        try:
            body = await body_of(letter, session.store)
        except NotFoundError:
            continue  # it was replayed or dropped meanwhile
        with into.open(f"dead-letters/{place:05d}.eml") as file:
            file.write(body)


async def _email(into: Parcel, folder: str, content: Content, session: Session) -> None:
    with into.open(f"{folder}/email.json") as file:
        file.write(as_bytes(content))
    try:
        raw = await session.store.privacy.raw(content)
    except NotFoundError:
        return  # it went meanwhile
    with into.open(f"{folder}/mail.eml") as file:
        file.write(raw)
    for number, attachment in enumerate(content.attachments, 1):
        name = f"{folder}/attachments/{file_name(number, attachment.name)}"
        await write(into, name, session.store.blobs.stream(attachment.sha256))


@app.command("erase")
@prints(Erasure)
def erase(
    address: Address,
    by: Administrator,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and change nothing.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Erase what is stored about an address: its links, and mail that nothing else keeps on a record; nothing brings it back.

    Mail that is on a record by another address stays there. What is in the mailboxes stays there, too.
    """
    with explained():
        wanted = normal_address(address)
    counts, told = do(_counts(wanted, by))
    if not as_json:
        for sentence in _sentences(wanted, counts):
            say(sentence)
    if not dry_run:
        if not yes:
            if not sys.stdin.isatty():
                fail("nothing was erased: add --yes, since there is nobody to ask", code=USAGE)
            if not typer.confirm(f"Erase {plural(counts.emails, 'email')} for good?"):
                fail("nothing was erased")
        counts = do(_erase(wanted, by))
    if as_json:
        print_json(Erasure.of(counts, erased=not dry_run))
        return
    if not dry_run:
        say("Erased. Blobs that nobody needs any more are deleted within some minutes.", style="green")
    for sentence in told:
        say(sentence, style="yellow")


def _sentences(address: str, counts: ErasureCounts) -> tuple[str, str, str]:
    going = f"{plural(counts.emails, 'email')} would go for good: nothing else keeps them on a record."
    staying = f"{counts.kept:,} more name it and stay, on other records or by another address."
    copies, letters = plural(counts.copies, "copy", "copies"), plural(counts.dead_letters, "dead letter")
    unread = f"{copies} of mail that was never brought in would not be found by it any more; {letters} would go."
    return (
        f"{address}: on {plural(counts.records, 'record')}, {plural(counts.links, 'link')} by it.",
        f"{going} {staying}",
        unread,
    )


async def _counts(address: str, by: str) -> tuple[ErasureCounts, list[str]]:
    """Return the counts, and what the administrator may still have to do."""
    async with open_session() as session:
        counts = await session.store.privacy.counts(address, by=by)
        refs = await session.store.data_subjects.records_of(address)
        present = await session.store.records.read_many(refs)
        told = [
            f"{ref} still has this address in the CRM: delete or change it there."
            for ref in present
            if address in present[ref].addresses
        ]
        others = sorted({one for record in present.values() for one in record.addresses} - {address})
        if others:
            told.append(
                f"The same records also have {', '.join(others)}: erase these, too, where they are the same person's."
            )
        own = [account for account in await session.store.accounts.get_all() if address in account.own_addresses]
        told += [
            f"It is the mailbox {account.address}'s own: `leadmail account remove --purge` removes that."
            for account in own
        ]
        return counts, told


async def _erase(address: str, by: str) -> ErasureCounts:
    async with open_session(setup=True) as session:
        return await session.store.privacy.erase(address, by=by)
