"""``leadmail emails``, ``email show`` and ``explain``: what a viewer may read, and why."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import nh3
import typer
from rich.text import Text

from schemas.mail import Participant, Role
from schemas.records import Record
from services.cli.output import Json, clean, console, fail, line, moment, print_json, say, table
from services.cli.session import command, open_session
from services.store import HeldCopy, VisibleEmail

app = typer.Typer(no_args_is_help=True, help="One email.")

Viewer = Annotated[str, typer.Option(help="The user who looks: nobody sees more than the sharing rule allows.")]
RecordName = Annotated[str, typer.Argument(metavar="RECORD", help="An address of the lead or contact, or kind:id.")]
EmailId = Annotated[
    str, typer.Argument(metavar="ID", help="The email's id, as `leadmail emails` shows it; its start is enough.")
]
_SHOWN_ID = 14


@command
async def page(
    record: RecordName,
    viewer: Viewer,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    before: Annotated[str | None, typer.Option(help="Go on where the last part ended.")] = None,
    as_json: Json = False,
) -> None:
    """Show the record page: the mail of a lead or contact that the viewer may see, newest first."""
    async with open_session() as session:
        shown = []
        for found in await session.store.records.find(record):
            part = await session.store.reading.visible_emails(viewer, found.ref, limit=limit, before=before)
            shown.append((found, part.emails, part.before, await session.store.reading.count(viewer, found.ref)))
    if as_json:
        print_json(
            [
                {"record": found, "count": count, "before": more, "emails": [_json(email) for email in emails]}
                for found, emails, more, count in shown
            ]
        )
        return
    for found, emails, more, count in shown:
        _print_page(found, emails, viewer, count)
        if more:
            say(f"More: leadmail emails {record} --viewer {viewer} --before {more}", style="dim")


def _json(email: VisibleEmail) -> dict[str, object]:
    return {**email.model_dump(mode="json"), "holders": email.holders, "flags": email.flags, "folder": email.folder}


def _print_page(record: Record, emails: Sequence[VisibleEmail], viewer: str, count: int) -> None:
    name = record.name or record.addresses[0]
    seen_as = f"{count} email{'' if count == 1 else 's'} that {viewer} may see"
    console.print(
        Text.assemble((clean(name), "bold"), f"  {record.ref.kind}, {', '.join(record.addresses)}: {seen_as}")
    )
    if emails:
        table(None, ("", "date", "subject", "with", "held by", "", "id"), [_row(email, viewer) for email in emails])
    console.print()


def _row(email: VisibleEmail, viewer: str) -> tuple[Text, ...]:
    own = any(copy.own for copy in email.copies)
    unread = own and "\\Seen" not in email.flags
    arrow = "<-" if email.direction == "in" else "->"
    subject = Text(" ".join(clean(email.subject or "(no subject)").split()), style="bold" if unread else "")
    subject.append(f"  {' '.join(clean(email.snippet).split())}"[:60], style="dim")
    extras = [f"{len(email.attachments)} att."] if email.attachments else []
    extras += ["answered"] if own and "\\Answered" in email.flags else []
    extras += ["by thread"] if any(reason.role is Role.THREAD for reason in email.reasons) else []
    holders = ", ".join("you" if holder == viewer else holder.partition("@")[0] for holder in email.holders)
    where = f" ({email.folder})" if own else ""
    return (
        Text(arrow, style="green" if arrow == "<-" else "blue"),
        Text(moment(email.sent_at)),
        subject,
        line(_people(email.participants)),
        line(holders + where),
        Text(", ".join(extras), style="dim"),
        Text(email.email[:_SHOWN_ID], style="dim"),
    )


def _people(participants: Sequence[Participant]) -> str:
    named = [one.name or one.address for one in participants if one.role in (Role.FROM, Role.TO, Role.CC)]
    return ", ".join(dict.fromkeys(named[:4])) + (f" +{len(named) - 4}" if len(named) > 4 else "")  # noqa: PLR2004


@app.command("show")
@command
async def show(  # noqa: PLR0917 - typer names them by keyword
    email: EmailId,
    viewer: Viewer,
    html: Annotated[bool, typer.Option("--html", help="Its HTML, sanitised, remote content removed.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The mail as the server had it.")] = False,
    attachment: Annotated[
        int | None, typer.Option(min=1, help="Write this attachment (from 1) to standard output.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show an email in full."""
    async with open_session() as session:
        reading = session.store.reading
        key = await reading.full_key(viewer, email)
        if raw:
            sys.stdout.buffer.write(await reading.raw(viewer, key))
            return
        if attachment is not None:
            _, parts = await reading.attachment(viewer, key, attachment)
            async for part in parts:
                sys.stdout.buffer.write(part)
            return
        if html:
            found = await reading.html(viewer, key)
            if found is None:
                fail("this email has no HTML: leave out --html")
            sys.stdout.write(sanitised(found) + "\n")
            return
        shown = await reading.show(viewer, key)
    if as_json:
        print_json({**_json(shown.line), "records": shown.records, "content": shown.content})
        return
    content = shown.content
    say(content.subject or "(no subject)", style="bold")
    rows = [
        (
            role.value,
            ", ".join(
                f"{p.name} <{p.address}>" if p.name else p.address for p in content.participants if p.role is role
            ),
        )
        for role in (Role.FROM, Role.TO, Role.CC, Role.REPLY_TO)
    ]
    rows += [
        ("bcc", ", ".join(shown.line.bcc)),
        ("date", moment(content.sent_at)),
        ("held by", "; ".join(_copy(copy) for copy in shown.line.copies)),
        ("on", ", ".join(str(ref) for ref in shown.records)),
        *(
            (f"attachment {number}", f"{one.name}  {one.media_type}, {one.size:,} octets")
            for number, one in enumerate(content.attachments, 1)
        ),
    ]
    table(None, ("", ""), [(name, value) for name, value in rows if value])
    console.print()
    console.print(Text(clean(content.text.replace("\r\n", "\n"))))


def _copy(copy: HeldCopy) -> str:
    flags = f", {' '.join(copy.flags)}" if copy.flags else ""
    return f"{copy.owner} in {copy.folder}{flags}"


def sanitised(html: str) -> str:
    """Return HTML that runs nothing and loads nothing: scripts, styles, forms and every remote address are gone."""

    def keep(element: str, attribute: str, value: str) -> str | None:
        if attribute in ("src", "srcset", "background", "poster"):
            return value if value.startswith(("cid:", "data:image/")) and element == "img" else None
        return value

    return nh3.clean(
        html,
        attribute_filter=keep,
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
        link_rel="noopener noreferrer",
    )


@command
async def explain(record: RecordName, email: EmailId, viewer: Viewer, as_json: Json = False) -> None:
    """Tell which copy, rule and domain decide whether the viewer sees an email on a record."""
    async with open_session() as session:
        key = await session.store.emails.full_key(email)
        found = [
            await session.store.reading.explain(viewer, one.ref, key, asked_by=None)
            for one in await session.store.records.find(record)
        ]
    if as_json:
        print_json(found)
        return
    for explanation in found:
        verdict = "sees" if explanation.visible else "does not see"
        say(
            f"{explanation.viewer} {verdict} {key[:_SHOWN_ID]} on {explanation.record}.",
            style="green" if explanation.visible else "yellow",
        )
        if not explanation.lines:
            say("  It is not linked to this record by any live copy.")
        for one in explanation.lines:
            domain = f" ({one.decision.domain})" if one.decision.domain else ""
            say(
                f"  copy of {one.copy_of.owner} ({one.copy_of.policy.mode.value}), "
                f"{one.match.role.value} {one.match.address}: {one.decision.verdict.value}{domain}"
            )
