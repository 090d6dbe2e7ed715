"""``leadmail account``: list, pause, resume and resync connected mailboxes."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from schemas.accounts import Account, AccountState
from services import wording
from services.cli.results import accounts as results
from services.cli.results.base import prints
from services.cli.terminal.completion import user_names
from services.cli.terminal.names import AccountName
from services.cli.terminal.output import Json, print_json, say, table
from services.cli.terminal.session import command, open_session
from services.store import OPERATOR, NotFoundError


@prints(list[results.AccountResult])
@command
async def list_accounts(
    owner: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL", autocompletion=user_names, help="Only accounts of this user, shared ones included."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List all accounts."""
    async with open_session() as session:
        wanted = None if owner is None else (await session.store.users.get(owner)).email
        accounts = await (session.store.accounts.held_by(wanted) if wanted else session.store.accounts.get_all())
    if as_json:
        print_json([results.AccountResult.of(account) for account in accounts])
    elif accounts:
        rows = [
            (
                account.address,
                wording.owner(account),
                account.provider or account.incoming.host,
                wording.sharing(account.sharing),
                state_of(account),
                wording.age(account.created_at) + " ago",
            )
            for account in accounts
        ]
        table(None, ("account", "owner", "provider", "sharing", "state", "connected"), rows)
    else:
        say("There are no accounts yet. Connect one with `leadmail account add`.", style="dim")


def state_of(account: Account) -> str:
    """Return the state of an account, and why it is so."""
    hindered = f"{account.trouble.code} for {wording.age(account.trouble.since)}" if account.trouble else None
    why = account.reason or hindered
    return account.state.value + (f" ({why})" if why else "")


@command
async def pause(name: AccountName) -> None:
    """Stop synchronising an account until you resume it. No mail is lost in the meantime."""
    async with open_session() as session:
        account = await session.connected(name)
        await session.store.accounts.set_state(account.id, AccountState.PAUSED, by=OPERATOR, reason=OPERATOR)
    say(f"{account.address} is paused. To continue, run `leadmail account resume {account.address}`.")


@command
async def resume(name: AccountName) -> None:
    """Continue synchronising a paused or blocked account. It catches up with everything it missed."""
    async with open_session() as session:
        account = await session.connected(name)
        for holder in account.holders:
            with suppress(NotFoundError):
                await session.store.users.active(holder)
                break
        else:  # the mailboxes of disabled users stay paused
            raise NotFoundError(f"{wording.owner(account)} cannot use it: `leadmail user enable EMAIL` changes that")
        await session.store.accounts.set_state(account.id, AccountState.ACTIVE, by=OPERATOR)
    say(f"{account.address} is active again.")


@command
async def resync(name: AccountName) -> None:
    """Synchronise the whole mailbox again. The owner gets a confirmation when it is done."""
    async with open_session() as session:
        account = await session.connected(name)
        await session.store.accounts.request_resync(account.id, by=OPERATOR)
    later = "" if account.state is AccountState.ACTIVE else f" as soon as you resume it: it is {state_of(account)}"
    say(f"{account.address} will be synchronised again{later}.")
