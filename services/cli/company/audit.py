"""``leadmail audit``: who changed what, and who used an administrator's power."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
import typer

from schemas.addresses import normal_address_or_none
from services.cli.results.base import prints
from services.cli.terminal.output import Json, fail, moment, print_json, say, table
from services.cli.terminal.session import USAGE, Session, command, open_session
from services.store import AuditEntry

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
            help="Only entries about this: an account's or a person's address, or as the list shows it, e.g. company.",
        ),
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="EMAIL", help="Only acts of this user, or of `operator`.")] = None,
    action: Annotated[
        str | None, typer.Option(help="Only this action, e.g. account.sharing; `account` is every one of accounts.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only from then on: 2026-11-01, 2026-11-01T09:30, or 90m, 12h, 7d."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """Show who changed what: sharing, accounts, users, dead letters, exports, erasures; newest first. Nothing is ever taken out."""
    async with open_session() as session:
        begin = None if since is None else moment_of(since)
        who = None if by is None else normal_address_or_none(by) or by
        entries = []
        for name in await _subjects(session, subject):
            entries += await session.store.audit.newest(subject=name, by=who, action=action, since=begin, limit=limit)
    entries = sorted(entries, key=lambda entry: entry.at, reverse=True)[:limit]
    if as_json:
        print_json(entries)
    elif entries:
        rows = [(moment(one.at), one.by, one.action, one.subject, _short(one.details)) for one in entries]
        table(None, ("when", "by", "action", "about", "details"), rows, cut=("details",))
    else:
        say("There is no such entry.", style="dim")


async def _subjects(session: Session, name: str | None) -> list[str | None]:
    """Return what the log calls something: of an address, the accounts, the user and the person of it."""
    if name is None:
        return [None]
    address = normal_address_or_none(name)
    if address is None:
        return [name]
    found: list[str | None] = [f"user:{address}", session.store.data_subjects.audit_name(address)]
    found += [f"account:{one.id}" for one in await session.store.accounts.get_all() if one.address == address]
    return found


def moment_of(text: str, *, now: datetime | None = None) -> datetime:
    """Return a moment as people type it; ends the command for what is none."""
    if span := _SPAN.fullmatch(text.strip().lower()):
        return (now or datetime.now(UTC)) - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        fail(f"{text!r} is no moment: write 2026-11-01, 2026-11-01T09:30, or how long ago: 90m, 12h, 7d", code=USAGE)
    return found.astimezone(UTC)


def _short(details: dict[str, Any]) -> str:
    told = {name: value for name, value in details.items() if value is not None}
    text = ", ".join(
        f"{name} {value if isinstance(value, str | int | bool) else orjson.dumps(value, default=str).decode()}"
        for name, value in told.items()
    )
    return text if len(text) <= _DETAILS else text[: _DETAILS - 1] + "…"
