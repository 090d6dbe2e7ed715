"""``leadmail account remove``: disconnect (its mail stays) or purge (its mail is deleted). It shows the counts first."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.accounts import Account, AccountState
from services.cli.terminal.names import AccountName
from services.cli.terminal.output import Yes, confirm, fail, say
from services.cli.terminal.session import do, open_session
from services.store import OPERATOR, RemovalCounts
from services.wording import plural


def remove(
    name: AccountName,
    purge: Annotated[
        bool, typer.Option("--purge", help="Also delete its mail, except emails of which another user holds a copy.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Disconnect an account (its mail stays, its sharing is frozen) or, with --purge, delete everything that came from it."""
    account, counts = do(_counts(name))
    if account.state is AccountState.DISCONNECTED and not purge:
        fail(f"{account.address} is disconnected: add --purge to delete its mail")
    say(
        f"{account.address}: {plural(counts.copies, 'copy', 'copies')} of {plural(counts.emails, 'email')} on records; "
        f"no one else that its owner can see has a copy of {counts.only_here:,} of these."
    )
    question = (
        f"Permanently delete it with its copies of {plural(counts.emails, 'email')}?"
        if purge
        else "Disconnect it? Its mail stays on the records."
    )
    confirm(question, yes=yes, otherwise="nothing was removed")
    do(_remove(account, purge=purge))
    say(f"{account.address} is {'removed with its mail' if purge else 'disconnected'}.")


async def _counts(name: str) -> tuple[Account, RemovalCounts]:
    async with open_session() as session:
        account = await session.store.accounts.find(name)
        return account, await session.store.removal.counts([account.id], asker=next(iter(account.holders), ""))


async def _remove(account: Account, *, purge: bool) -> None:
    async with open_session() as session:
        tokens = session.revoker.tokens([account])
        if purge:
            await session.store.removal.purge(account.id, by=OPERATOR)
        else:
            await session.store.removal.disconnect(account.id, by=OPERATOR)
        await session.revoker.revoke(tokens)
