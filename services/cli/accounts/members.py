"""``leadmail account members``: whose mailbox a shared one is."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.accounts import Account
from schemas.addresses import normal_address
from services.cli.results import accounts as results
from services.cli.results.base import prints
from services.cli.terminal.names import AccountName
from services.cli.terminal.output import USAGE, Json, fail, print_json, say
from services.cli.terminal.session import command, open_session
from services.usecases import membership


@prints(results.AccountResult)
@command
async def members(  # noqa: PLR0917 - typer names them by keyword
    name: AccountName,
    add: Annotated[
        list[str] | None,
        typer.Option(metavar="EMAIL", help="A user who becomes a member, and sees all of its mail. May be repeated."),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(metavar="EMAIL", help="A member who leaves, and sees none of it any more. May be repeated."),
    ] = None,
    own: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL", help="The user whose own mailbox it becomes; the members see none of it any more."
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="EMAIL", help="The member or administrator who does it; by default the operator."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show or change the members of a shared mailbox. The first member that you add to a user's own mailbox makes it a shared one.

    --own makes it one user's own again.

    Each member counts as its owner, and sees what was kept private of its mail, too. For others it stays private.
    """
    if own is not None and (add or remove):
        fail("--own goes without --add and --remove: it has one owner then", code=USAGE)
    joining, leaving = ([normal_address(one) for one in several or ()] for several in (add, remove))
    async with open_session(setup=bool(joining or leaving or own)) as session:
        account = await session.store.accounts.find(name)
        caller = await session.store.users.active(by) if by is not None else None
        if own is not None:
            account = await membership.own(account, normal_address(own), store=session.store, by=caller)
        elif joining or leaving:
            account = await membership.change(account, add=joining, remove=leaving, store=session.store, by=caller)
    if as_json:
        print_json(results.AccountResult.of(account))
    else:
        say(_sentence(account))


def _sentence(account: Account) -> str:
    if not account.shared:
        return f"{account.address} is the mailbox of {account.owner} alone."
    return f"{account.address} is shared by {', '.join(account.members) or 'no one'}."
