"""Saves a mailbox whose login works, and says what follows."""

from __future__ import annotations

from schemas.accounts import Account
from services import wording
from services.cli.results import accounts as results
from services.cli.terminal.output import fail, print_json, say
from services.cli.terminal.session import do, open_session
from services.mailbox.connection import OAuth2Credentials
from services.usecases import company_domains
from services.usecases.company_domains import ProposedDomain
from services.usecases.connecting.displacing import is_taken
from services.usecases.connecting.former_members import former_members
from services.usecases.connecting.saving import NewAccount


def save(new: NewAccount, *, as_json: bool) -> None:
    """Save a mailbox, and say what follows. Exits if it is connected already."""
    _report(*do(_save(new)), as_json=as_json)


async def _save(new: NewAccount) -> tuple[Account, str, list[ProposedDomain]]:
    async with open_session(setup=True) as session:
        tokens = new.credentials if isinstance(new.credentials, OAuth2Credentials) else None
        if tokens is not None and await is_taken(new.address, new.owner, session.store):
            what = (
                "to sign in again, run `leadmail account login"
                if tokens.mailbox is None
                else "see `leadmail account show"
            )
            fail(f"{new.address} is already connected: {what} {new.address}`")
        left_out = await former_members(new.members, new.address, session.store)
        account = await session.saver.save(new)
        return account, left_out, await company_domains.proposed_by(session.store, account.own_addresses)


def _report(account: Account, left_out: str, proposed: list[ProposedDomain], *, as_json: bool) -> None:
    if as_json:
        print_json(results.AccountResult.of(account))
        return
    mode = account.sharing.mode.value
    say(f"{account.address} is connected for {wording.owner(account)}, shared as {mode}.", style="green")
    if account.unproven:
        say(
            f"{', '.join(account.unproven)}: {wording.NOT_PROVEN}. See `leadmail account aliases {account.address}`.",
            style="yellow",
        )
    if left_out:
        say(f"{left_out}.", style="yellow")
    who = "Each member" if account.shared else account.owner
    say(f"Its existing mail is being imported. {who} gets a confirmation when that is done.")
    for one in proposed:
        say(wording.proposed_domain(one.domain, one.addresses), style="yellow")
