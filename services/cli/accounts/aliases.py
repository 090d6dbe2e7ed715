"""``leadmail account aliases``: other addresses of an account's owner, found in its Sent folder and confirmed by the owner."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.addresses import normal_address
from services.cli.accounts.settings import AccountName
from services.cli.results import accounts as results
from services.cli.results.base import prints
from services.cli.terminal.output import Json, fail, moment, print_json, say, table
from services.cli.terminal.session import USAGE, command, open_session


@prints(results.AliasesResult)
@command
async def aliases(
    name: AccountName,
    add: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Confirm that this address also belongs to the owner. May be repeated."),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="Remove this address. May be repeated.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="EMAIL", help="The account's owner, who confirms the change; required for a change."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show or change the owner's other addresses. A suggested address counts only after the owner confirms it."""
    wanted = {normal_address(one) for one in add or ()}
    unwanted = {normal_address(one) for one in remove or ()}
    async with open_session() as session:
        account = await session.store.accounts.find(name)
        if wanted or unwanted:
            account = await session.connected(name)
            if by is None or (await session.store.users.get(by)).email != account.owner:
                fail(
                    f"only the owner of {account.address} can confirm addresses: add --by {account.owner}",
                    code=USAGE,
                )
            if strange := sorted(unwanted - set(account.aliases)):
                fail(f"{account.address} has no alias {', '.join(strange)}", code=USAGE)
            others = await session.store.colleagues.own_among(wanted) - account.own_addresses
            if others:
                fail(f"{', '.join(sorted(others))} already belongs to another user or mailbox")
            account = await session.store.accounts.save_aliases(
                account.id, {*account.aliases, *wanted} - unwanted, by=account.owner
            )
        candidates = await session.store.aliases.candidates(account)
    if as_json:
        print_json(results.AliasesResult.of(account, candidates=candidates))
        return
    say(f"{account.address}: {', '.join(account.aliases) or 'no other addresses'}.")
    if candidates:
        say("Senders found in its Sent folder; the owner confirms an address with --add:", style="dim")
        rows = [(one.address, f"{one.emails:,}", moment(one.newest)) for one in candidates]
        table(None, ("address", "emails", "newest"), rows)
