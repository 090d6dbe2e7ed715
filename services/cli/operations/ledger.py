"""``leadmail ledger``: checks that every message on a mail server has a row, and every row a message."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from schemas.accounts import Account, AccountState
from services.cli.operations.ledger_compare import compare_account
from services.cli.operations.ledger_view import AccountBalance, result_of, verdict, view
from services.cli.results.base import prints
from services.cli.results.operations import LedgerCheck
from services.cli.terminal.completion import account_names
from services.cli.terminal.output import Json, console, print_json, say
from services.cli.terminal.session import Session, command, open_session
from services.mailbox import advice
from services.mailbox.connection import MailServerError, SealError
from services.mailbox.imap import open_reader
from services.mailbox.providers import directory

app = typer.Typer(no_args_is_help=True, add_completion=False)
_AT_ONCE = 6
"""How many accounts are compared at the same time."""


@app.callback()
def ledger() -> None:
    """The ledger: one row per message."""


@app.command("check")
@prints(LedgerCheck)
@command
async def check(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="ACCOUNT",
            autocompletion=account_names,
            help="The account's address or id; by default all that are not paused.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare every folder with its mail server: messages, rows by state, messages without a row, rows without a message.

    Exits 0 if everything balances, and 1 if there is a gap or an account cannot be checked.
    """
    async with open_session() as session:
        found = await compare(session, name)
    if as_json:
        print_json(result_of(found))
    elif not found:
        say("No account is being synchronised, so there is nothing to compare.", style="dim")
    else:
        console.print(view(found))
        say(verdict(found), style="green" if all(one.balanced for one in found) else "red")
    if not all(one.balanced for one in found):
        raise typer.Exit(1)


async def compare(session: Session, name: str | None) -> list[AccountBalance]:
    """Compare one account, or all that are being synchronised.

    Raises:
        NotFoundError: there is no such account.
    """
    accounts = [await session.connected(name)] if name else await _all(session)
    slots = asyncio.Semaphore(_AT_ONCE)
    return list(await asyncio.gather(*(_balance(session, account, slots) for account in accounts)))


async def _all(session: Session) -> list[Account]:
    left_out = (AccountState.DISCONNECTED, AccountState.PAUSED)
    return [account for account in await session.store.accounts.get_all() if account.state not in left_out]


async def _balance(session: Session, account: Account, slots: asyncio.Semaphore) -> AccountBalance:
    """Compare one account; an error affects only this account."""
    async with slots:
        try:
            _, credentials = await session.tokens.open(account)
            async with open_reader(account.incoming, credentials, policy=session.policy) as reader:
                return AccountBalance(account, tuple(await compare_account(session.store, account, reader)))
        except MailServerError as error:
            provider = directory().by_key.get(account.provider or "") or directory().for_server(account.incoming.host)
            return AccountBalance(account, error=advice.sentence(error, account.incoming, "imap", provider))
        except SealError as error:
            why = f"The saved password cannot be decrypted ({error}): check LEADMAIL_SECRET_KEY and LEADMAIL_SECRET_KEYS_OLD."
            return AccountBalance(account, error=why)
