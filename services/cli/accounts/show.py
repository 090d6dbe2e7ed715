"""``leadmail account show``: all about one connected mailbox."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.accounts import Account, AccountState
from schemas.ledger import RowState
from services import wording
from services.cli.accounts import folder_view
from services.cli.accounts.accounts import state_of
from services.cli.results import accounts as results
from services.cli.results.base import prints
from services.cli.terminal.names import AccountName
from services.cli.terminal.output import Json, moment, print_json, say, table
from services.cli.terminal.session import command, open_session
from services.mailbox import advice
from services.usecases import balance


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
        ("state", state_of(account)),
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
