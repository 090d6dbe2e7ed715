"""``leadmail account aliases``: further addresses of an account's owner, found in its Sent folder and confirmed by him."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.addresses import normal_address
from services.cli.accounts.settings import AccountName
from services.cli.results import accounts as results
from services.cli.results.base import prints
from services.cli.terminal.output import Json, fail, moment, print_json, say, table
from services.cli.terminal.session import USAGE, command, open_session


@prints(results.Aliases)
@command
async def aliases(
    name: AccountName,
    add: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Confirm that this address is the owner's, too. May be repeated."),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="It is not (any more). May be repeated.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="The account's owner, who confirms; needed for a change.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the owner's further addresses and those that may be his, too; nothing becomes one unless he confirms it."""
    wanted = {normal_address(one) for one in add or ()}
    unwanted = {normal_address(one) for one in remove or ()}
    async with open_session() as session:
        account = await session.store.accounts.find(name)
        if wanted or unwanted:
            account = await session.connected(name)
            if by is None or (await session.store.users.get(by)).email != account.owner:
                fail(
                    f"only {account.owner}, who owns {account.address}, can tell: say so with --by {account.owner}",
                    code=USAGE,
                )
            if strange := sorted(unwanted - set(account.aliases)):
                fail(f"{account.address} has no alias {', '.join(strange)}", code=USAGE)
            others = await session.store.colleagues.own_among(wanted) - account.own_addresses
            if others:
                fail(f"{', '.join(sorted(others))}: this is another user's or mailbox's address already")
            account = await session.store.accounts.save_aliases(
                account.id, {*account.aliases, *wanted} - unwanted, by=account.owner
            )
        candidates = await session.store.aliases.candidates(account)
    if as_json:
        print_json(results.Aliases.of(account, candidates=candidates))
        return
    say(f"{account.address}: {', '.join(account.aliases) or 'no alias'}.")
    if candidates:
        say("Seen as the sender in its Sent folder; whoever owns the account confirms with --add:", style="dim")
        rows = [(one.address, f"{one.emails:,}", moment(one.newest)) for one in candidates]
        table(None, ("address", "emails", "newest"), rows)


def register(app: typer.Typer) -> None:
    """Add this command to the account commands."""
    app.command("aliases")(aliases)
