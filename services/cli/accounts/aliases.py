"""``leadmail account aliases`` and ``confirm-address``: other addresses of an account's owner, claimed and proven."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.accounts import Account
from schemas.addresses import normal_address
from services.cli.results import sharing as results
from services.cli.results.base import prints
from services.cli.terminal.names import AccountName
from services.cli.terminal.output import USAGE, Json, fail, moment, print_json, say, table
from services.cli.terminal.session import Session, command, open_session
from services.store import AliasCandidate
from services.usecases import proving
from services.wiring import make_post
from services.wording import NOT_PROVEN, PROOFS


@prints(results.AliasesResult)
@command
async def aliases(  # noqa: PLR0917 - typer names them by keyword
    name: AccountName,
    add: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Claim this address, and send a code to it. May be repeated."),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="Remove this address. May be repeated.")
    ] = None,
    code: Annotated[str | None, typer.Option(help="The code that was sent to an address: this proves it.")] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL", help="The account's owner, or a member, who makes the change; required for a change."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show or change the owner's other addresses. A claimed address has no effect until a code or an administrator proves it."""
    wanted = {normal_address(one) for one in add or ()}
    unwanted = {normal_address(one) for one in remove or ()}
    sent, caller = set[str](), ""
    async with open_session(setup=bool(wanted or code)) as session:
        account = await session.store.accounts.find(name)
        if wanted or unwanted or code:
            account = await session.connected(name)
            caller = (await session.store.users.get(by)).email if by else ""
            if caller not in account.holders:
                only = " or ".join(account.holders)
                fail(f"only the owner of {account.address} can change addresses: add --by {only}", code=USAGE)
        if wanted or unwanted:
            account = await _change(session, account, wanted, unwanted, by=caller)
            sent = await _send_codes(session, account, wanted, by=caller)
        if code:
            account, _ = await proving.enter_code(account, code, store=session.store, by=caller)
        candidates = await session.store.aliases.candidates(account)
    if as_json:
        print_json(results.AliasesResult.of(account, candidates=candidates))
        return
    _show(account, sent, candidates)


async def _change(session: Session, account: Account, wanted: set[str], unwanted: set[str], *, by: str) -> Account:
    if strange := sorted(unwanted - set(account.aliases)):
        fail(f"{account.address} has no alias {', '.join(strange)}", code=USAGE)
    await proving.refuse_others(wanted, account.owner, store=session.store)
    claimed = {*account.aliases, *wanted} - unwanted
    return await session.store.accounts.save_aliases(account.id, claimed, by=by)


async def _send_codes(session: Session, account: Account, wanted: set[str], *, by: str) -> set[str]:
    """Send a code to each new address that is not proven; none without a mail server. Returns where codes were sent."""
    settings = session.settings
    unproven = wanted.intersection(account.unproven)
    if not unproven or not (settings.smtp_url.get_secret_value() and settings.mail_from):
        return set()
    post = make_post(settings, session.policy, session.store.relay_refresh)
    for address in sorted(unproven):
        await proving.send_code(account, address, store=session.store, post=post, sender=settings.mail_from, by=by)
    return unproven


def _show(account: Account, sent: set[str], candidates: list[AliasCandidate]) -> None:
    say(f"{account.address}: {', '.join(account.aliases) or 'no other addresses'}.")
    for address in sorted(account.claims):
        how = account.proof_of(address)
        if how is None or address != account.address:
            say(f"  {address}  {PROOFS[how] if how else NOT_PROVEN}", style="" if how else "yellow")
    if sent:
        say(f"A code was sent to {', '.join(sorted(sent))}: enter it with --code.")
    elif account.unproven:
        say(
            f"To get a code by mail, use --add again. An administrator can confirm an address: "
            f"`leadmail account confirm-address {account.address} {account.unproven[0]} --by EMAIL`.",
            style="dim",
        )
    if candidates:
        say("Senders found in its Sent folder; the owner claims an address with --add:", style="dim")
        rows = [(one.address, f"{one.emails:,}", moment(one.newest)) for one in candidates]
        table(None, ("address", "emails", "newest"), rows)


@command
async def confirm_address(
    name: AccountName,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="An address of the account's owner.")],
    by: Annotated[str, typer.Option(metavar="EMAIL", help="The administrator who confirms it.")],
) -> None:
    """Confirm as an administrator that an address belongs to the owner of an account. The audit log records it."""
    confirmed = normal_address(address)
    async with open_session(setup=True) as session:
        account = await session.connected(name)
        account = await proving.confirm(account, confirmed, store=session.store, by=by)
    say(
        f"{confirmed} counts as an address of {account.holder_name}, whose mailbox is {account.address}.", style="green"
    )
