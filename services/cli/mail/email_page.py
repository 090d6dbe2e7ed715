"""``leadmail email``: show one email as a viewer may see it, keep it private, delete it, and undo that."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.text import Text

from schemas.mail import Role
from services.cli.mail.record_page import SHOWN_ID, Viewer
from services.cli.results import mail as results
from services.cli.results.base import prints
from services.cli.terminal.output import (
    USAGE,
    Json,
    Yes,
    clean,
    console,
    fail,
    moment,
    print_json,
    say,
    table,
    write_bytes,
)
from services.cli.terminal.session import Session, command, open_session
from services.store import DeletedEmail, DeliveryFailure, ShownEmail, VisibleCopy
from services.usecases.html import sanitize_html
from services.wording import TRUNCATED, defects, plural

app = typer.Typer(no_args_is_help=True, add_completion=False)

EmailId = Annotated[
    str, typer.Argument(metavar="ID", help="The email's id as `leadmail emails` shows it; the start is enough.")
]


@app.command("show")
@prints(results.ShownEmailResult)
@command
async def show(  # noqa: PLR0917 - typer names them by keyword
    email: EmailId,
    viewer: Viewer,
    html: Annotated[bool, typer.Option("--html", help="Print its sanitised HTML, without remote content.")] = False,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="Print the mail as a server had it, with the header fields that every reader may see."
        ),
    ] = False,
    attachment: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Write this attachment (from 1) to standard output.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show an email in full."""
    if html + raw + as_json + (attachment is not None) > 1:
        fail("use only one of --html, --raw, --attachment and --json", code=USAGE)
    if attachment is not None and sys.stdout.isatty():
        fail(f"an attachment cannot go to a terminal: redirect it, for example > attachment-{attachment}", code=USAGE)
    async with open_session() as session:
        key = await session.store.reading.full_key(viewer, email)
        if raw:
            write_bytes(await session.store.reading.raw(viewer, key))
        elif attachment is not None:
            await _attachment(session, viewer, key, attachment)
        elif html:
            await _html(session, viewer, key)
        else:
            _print(await session.store.reading.show(viewer, key), as_json=as_json)


@app.command("delete")
@command
async def delete(
    email: EmailId,
    by: Annotated[str, typer.Option(metavar="EMAIL", help="The user who deletes it: a holder or an administrator.")],
    yes: Yes = False,
) -> None:
    """Delete an email from the CRM, for everyone; `email restore` undoes it, a resync does not. The mailboxes keep their copies."""
    async with open_session() as session:
        admin = (await session.store.users.active(by)).admin
        key = await (session.store.emails.full_key(email) if admin else session.store.reading.full_key(by, email))
        if not yes:
            fail(f"nothing was deleted: add --yes to delete {key[:SHOWN_ID]} for everyone", code=USAGE)
        await session.store.deleting.delete(key, by=by)
        days = session.settings.undo_days
    undo = f" Within {days:g} days, `leadmail email restore {key[:SHOWN_ID]} --by {by}` undoes it." if days else ""
    say(f"{key[:SHOWN_ID]} is deleted.{undo}")


@app.command("deleted")
@prints(list[DeletedEmail])
@command
async def deleted(
    by: Annotated[str, typer.Option(metavar="EMAIL", help="A user: administrators get all, others what they deleted.")],
    as_json: Json = False,
) -> None:
    """List deleted emails that can be restored, newest first. Only those who held a copy see the subject."""
    async with open_session() as session:
        found = await session.store.undoing.deleted(by)
    if as_json:
        print_json([DeletedEmail(**one.model_dump(exclude={"accounts"})) for one in found])
    elif not found:
        say("There is no deleted email that can be restored.", style="dim")
    else:
        rows = [(moment(one.at), one.by, one.subject or "-", moment(one.until), one.email[:SHOWN_ID]) for one in found]
        table(None, ("deleted", "by", "subject", "until", "id"), rows, cut=("subject",))


@app.command("restore")
@command
async def restore(
    email: EmailId,
    by: Annotated[str, typer.Option(metavar="EMAIL", help="The user who deleted it, or an administrator.")],
) -> None:
    """Undo the deletion of an email, within the grace period (LEADMAIL_UNDO_DAYS)."""
    async with open_session() as session:
        key = await session.store.undoing.restore(email, by=by)
    say(f"{key[:SHOWN_ID]} is restored: within minutes it is on its records again, for those who hold or share a copy.")


@app.command("private")
@command
async def private(
    email: EmailId,
    by: Annotated[str, typer.Option(metavar="EMAIL", help="The user who keeps their copies private.")],
    thread: Annotated[
        bool,
        typer.Option(
            "--thread", help="Its thread as your mail joins it, with mail to come that names one of these emails."
        ),
    ] = False,
) -> None:
    """Keep your copies of an email or a thread private, whatever your mailbox shares."""
    await _withdraw(email, by=by, thread=thread, keep=True)


@app.command("share")
@command
async def share(
    email: EmailId,
    by: Annotated[str, typer.Option(metavar="EMAIL", help="The user who kept their copies private.")],
    thread: Annotated[bool, typer.Option("--thread", help="Its thread as your mail joins it.")] = False,
) -> None:
    """Undo `email private`: your mailbox's setting decides again."""
    await _withdraw(email, by=by, thread=thread, keep=False)


async def _withdraw(email: str, *, by: str, thread: bool, keep: bool) -> None:
    async with open_session() as session:
        key = await session.store.reading.full_key(by, email)
        withdrawing = session.store.withdrawing
        change = withdrawing.keep_private if keep else withdrawing.share_again
        count = await change(key, by=by, thread=thread)
    what = plural(count, "email") + (" of this thread" if thread else "")
    say(f"{what}: {'kept private' if keep else 'shared as your mailbox is'}.")


async def _attachment(session: Session, viewer: str, key: str, number: int) -> None:
    _, parts = await session.store.reading.attachment(viewer, key, number)
    async for part in parts:
        sys.stdout.buffer.write(part)


async def _html(session: Session, viewer: str, key: str) -> None:
    found = await session.store.reading.html(viewer, key)
    if found is None:
        fail("this email has no HTML: omit --html")
    write_bytes(sanitize_html(found).encode() + b"\n")


def _print(shown: ShownEmail, *, as_json: bool) -> None:
    if as_json:
        print_json(results.ShownEmailResult.of(shown.line, records=shown.records, content=shown.content))
        return
    content = shown.content
    say(content.subject or "(no subject)", style="bold")
    rows = [
        (
            role.value,
            ", ".join(
                f"{one.name} <{one.address}>" if one.name else one.address
                for one in content.participants
                if one.role is role
            ),
        )
        for role in (Role.FROM, Role.TO, Role.CC, Role.REPLY_TO)
    ]
    rows += [
        ("bcc", ", ".join(shown.line.bcc)),
        ("date", moment(content.sent_at)),
        ("held by", "; ".join(_copy(copy) for copy in shown.line.copies)),
        *(("your copy", one) for one in defects(shown.line.copies)),
        ("note", TRUNCATED if content.marks.truncated else ""),
        ("on", ", ".join(str(ref) for ref in shown.records)),
        *(("not delivered", _failure(one)) for one in shown.line.failures),
        *(
            (f"attachment {number}", f"{one.name}  {one.media_type}, {one.size:,} octets")
            for number, one in enumerate(content.attachments, 1)
        ),
    ]
    table(None, ("", ""), [(name, value) for name, value in rows if value])
    console.print()
    console.print(Text(clean(content.text.replace("\r\n", "\n"))), soft_wrap=True)


def _failure(one: DeliveryFailure) -> str:
    said = f"{', '.join(one.addresses)} {one.status} {one.reason}".split()
    return f"{' '.join(said)} (bounce {one.email[:SHOWN_ID]})".lstrip()


def _copy(copy: VisibleCopy) -> str:
    flags = f", {' '.join(copy.flags)}" if copy.flags else ""
    return f"{copy.owner} in {copy.folder}{flags}"
