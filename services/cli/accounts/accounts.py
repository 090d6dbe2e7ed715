"""``leadmail account``: list, show, pause, resume and resync connected mailboxes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated

import typer

from schemas.accounts import Account, AccountState
from schemas.ledger import RowState
from services import wording
from services.cli.accounts import aliases, change, connect, folder_view, importing, members, removal, settings, sign_in
from services.cli.accounts.settings import AccountName
from services.cli.results import accounts as results
from services.cli.results.base import prints
from services.cli.terminal.completion import user_names
from services.cli.terminal.output import Json, moment, print_json, say, table
from services.cli.terminal.session import command, open_session
from services.mailbox import advice
from services.store import OPERATOR, NotFoundError
from services.usecases import balance

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.command("add")(connect.add)
app.command("import")(importing.import_accounts)


@app.command("list")
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
                _state(account),
                wording.age(account.created_at) + " ago",
            )
            for account in accounts
        ]
        table(None, ("account", "owner", "provider", "sharing", "state", "connected"), rows)
    else:
        say("There are no accounts yet. Connect one with `leadmail account add`.", style="dim")


@app.command("show")
@prints(results.AccountDetails)
@command
async def show(name: AccountName, as_json: Json = False) -> None:
    """Show an account: servers, sharing, folders, backfills, and messages by state."""
    async with open_session() as session:
        account = await session.store.accounts.find(name)
        together, each = await balance.of_account(session.store, account.id)
        epochs = await session.store.epochs.of(account.id)
    messages = {state.value: count for state, count in together.totals.every_state.items()}
    if as_json:
        left = [{"state": state, "reason": reason, "messages": count} for state, reason, count in together.left_out]
        listed = folder_view.results_of(results.FolderResult, each)
        print_json(
            results.AccountDetails.of(account, messages=messages, left_out=left, folder_list=listed, epochs=epochs)
        )
        return
    say(account.address, style="bold")
    servers = [("incoming", account.incoming)] + ([("outgoing", account.outgoing)] if account.outgoing else [])
    rows: list[tuple[str, str]] = [
        ("id", account.id),
        *([("members", ", ".join(account.members))] if account.shared else [("owner", account.owner)]),
        ("state", _state(account)),
        *_trouble(account, {one.folder.id: one.name for one in each if one.folder}),
        ("sharing", wording.sharing(account.sharing)),
        *((which, f"{at.host}:{at.port} {at.tls} as {at.username}") for which, at in servers),
        *((address, _proof(account, address)) for address in sorted(account.claims)),
        ("messages", ", ".join(f"{count:,} {state}" for state, count in sorted(messages.items())) or "none yet"),
        *((state.value, f"{count:,}: {_why(state, reason, account)}") for state, reason, count in together.left_out),
        *(
            (
                f"backfill {epoch.number}",
                f"{epoch.state.value}, opened {moment(epoch.opened_at)}, confirmation {epoch.notification.value}",
            )
            for epoch in epochs[:3]
        ),
    ]
    table(None, ("", ""), rows)
    if each:
        say("")
        folder_view.print_folders(each)


def _proof(account: Account, address: str) -> str:
    how = account.proof_of(address)
    return wording.PROOFS[how] if how else wording.NOT_PROVEN


def _trouble(account: Account, folders: Mapping[str, str]) -> list[tuple[str, str]]:
    found = account.trouble
    if account.state is AccountState.BLOCKED:
        return [("tried again", moment(account.retry_at) if account.retry_at else "soon")]
    if found is None:
        return []
    return [
        ("trouble", f"{advice.trouble_words(found, folders.get(found.folder or ''))} ({found.code})"),
        ("since", f"{moment(found.since)}, {wording.age(found.since)} ago"),
        *([("details", found.detail)] if found.detail else []),
        ("tried again", moment(found.next_try) if found.next_try else "soon"),
        ("what to do", advice.what_to_do(found.code)),
        ("owner", "was told" if found.owner_told else "has not been told: it is told when the trouble lasts"),
    ]


def _why(state: RowState, reason: str, account: Account) -> str:
    more = f" (see `leadmail dead-letters list --account {account.address}`)"
    return reason + (more if state is RowState.QUARANTINED else "")


def _state(account: Account) -> str:
    hindered = f"{account.trouble.code} for {wording.age(account.trouble.since)}" if account.trouble else None
    why = account.reason or hindered
    return account.state.value + (f" ({why})" if why else "")


@app.command("pause")
@command
async def pause(name: AccountName) -> None:
    """Stop synchronising an account until you resume it. No mail is lost in the meantime."""
    async with open_session() as session:
        account = await session.connected(name)
        await session.store.accounts.set_state(account.id, AccountState.PAUSED, by=OPERATOR, reason=OPERATOR)
    say(f"{account.address} is paused. To continue, run `leadmail account resume {account.address}`.")


@app.command("resume")
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


@app.command("resync")
@command
async def resync(name: AccountName) -> None:
    """Synchronise the whole mailbox again. The owner gets a confirmation when it is done."""
    async with open_session() as session:
        account = await session.connected(name)
        await session.store.accounts.request_resync(account.id, by=OPERATOR)
    later = "" if account.state is AccountState.ACTIVE else f" as soon as you resume it: it is {_state(account)}"
    say(f"{account.address} will be synchronised again{later}.")


app.command("test")(settings.try_login)
app.command("password")(settings.password)
app.command("login")(sign_in.login)
app.command("change")(change.change)
app.command("sharing")(settings.sharing)
app.command("folders")(settings.folders)
app.command("aliases")(aliases.aliases)
app.command("confirm-address")(aliases.confirm_address)
app.command("members")(members.members)
app.command("remove")(removal.remove)
