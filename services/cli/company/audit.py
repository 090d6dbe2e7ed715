"""``leadmail audit``: who changed what, and who used an administrator's power."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from schemas.addresses import normal_address_or_none
from services.cli.results.base import prints
from services.cli.terminal.output import USAGE, Json, fail, moment, print_json, say, table
from services.cli.terminal.session import Session, command, open_session
from services.store import AuditEntry
from services.wording import audit_details

app = typer.Typer(add_completion=False)

_SPAN = re.compile(r"(\d+)\s*([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DETAILS = 120


@app.command()
@prints(list[AuditEntry])
@command
async def audit(  # noqa: PLR0917 - typer names them by keyword
    subject: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="Only entries about this subject: an account's or a person's address, or a subject as listed, such as company.",
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Only actions of this user, or of `operator`.")
    ] = None,
    action: Annotated[
        str | None,
        typer.Option(help="Only this action, such as account.sharing; `account` covers all actions on accounts."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only entries since then: 2026-11-01, 2026-11-01T09:30, or 90m, 12h, 7d."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """Show who changed what, newest first: sharing, accounts, users, dead letters, exports, erasures. Entries are never deleted."""
    async with open_session() as session:
        start = None if since is None else moment_of(since)
        who = None if by is None else normal_address_or_none(by) or by
        entries = []
        for name in await _subjects(session, subject):
            entries += await session.store.audit.newest(subject=name, by=who, action=action, since=start, limit=limit)
    entries = sorted(entries, key=lambda entry: entry.at, reverse=True)[:limit]
    if as_json:
        print_json(entries)
    elif entries:
        rows = [(moment(one.at), one.by, one.action, one.subject, _short(one.details)) for one in entries]
        table(None, ("when", "by", "action", "about", "details"), rows, cut=("details",))
    else:
        say("No matching entries.", style="dim")


async def _subjects(session: Session, name: str | None) -> list[str | None]:
    """Return the subjects that a name stands for: for an address, its user, its person and its accounts."""
    if name is None:
        return [None]
    address = normal_address_or_none(name)
    if address is None:
        return [name]
    found: list[str | None] = [f"user:{address}", *session.store.data_subjects.audit_names(address)]
    found += [f"account:{one.id}" for one in await session.store.accounts.get_all() if one.address == address]
    return found


def moment_of(text: str, *, now: datetime | None = None) -> datetime:
    """Parse a time or a time span before now; exits if it is neither."""
    if span := _SPAN.fullmatch(text.strip().lower()):
        return (now or datetime.now(UTC)) - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        fail(f"{text!r} is not a time: use 2026-11-01, 2026-11-01T09:30, or a span such as 90m, 12h, 7d", code=USAGE)
    return found.astimezone(UTC)


def _short(details: dict[str, Any]) -> str:
    text = audit_details(details)
    return text if len(text) <= _DETAILS else text[: _DETAILS - 1] + "…"
