"""Saves a mailbox whose login works, and says what follows."""

from __future__ import annotations

from schemas.accounts import Account
from schemas.sharing import SharingPolicy
from services import wording
from services.cli.results import accounts as results
from services.cli.terminal.output import fail, print_json, say
from services.cli.terminal.session import do, open_session
from services.store import OPERATOR
from services.usecases import company_domains, connecting, mailbox_sign_in
from services.usecases.company_domains import ProposedDomain
from services.usecases.connecting import NewAccount
from services.usecases.mailbox_sign_in import SignedIn


def save(new: NewAccount, *, as_json: bool) -> None:
    """Save a mailbox with a password."""
    _report(*do(_save(new)), as_json=as_json)


def save_signed_in(
    found: SignedIn,
    typed: str | None,
    owner: str,
    policy: SharingPolicy,
    *,
    aliases: tuple[str, ...],
    as_json: bool,
) -> None:
    """Save a mailbox whose owner signed in; exits if it is not the one whose address was typed."""
    if typed is not None and typed != found.address:
        fail(f"you signed in as {found.address}, not as {typed}: nothing was saved")
    _report(*do(_save_signed_in(found, owner, policy, aliases)), as_json=as_json)


async def _save(new: NewAccount) -> tuple[Account, list[ProposedDomain]]:
    async with open_session(setup=True) as session:
        account = await connecting.save(
            new,
            store=session.store,
            box=session.box,
            revoker=session.revoker,
            policy=session.policy,
            by=OPERATOR,
        )
        return account, await company_domains.proposed_by(session.store, account.own_addresses)


async def _save_signed_in(
    found: SignedIn, owner: str, policy: SharingPolicy, aliases: tuple[str, ...]
) -> tuple[Account, list[ProposedDomain]]:
    async with open_session(setup=True) as session:
        if await connecting.is_taken(found.address, owner, session.store):
            fail(
                f"{found.address} is already connected: to sign in again, run `leadmail account login {found.address}`"
            )
        account = await mailbox_sign_in.save_new(
            found,
            owner,
            policy,
            aliases=aliases,
            store=session.store,
            box=session.box,
            revoker=session.revoker,
            policy=session.policy,
            by=OPERATOR,
        )
        return account, await company_domains.proposed_by(session.store, account.own_addresses)


def _report(account: Account, proposed: list[ProposedDomain], *, as_json: bool) -> None:
    if as_json:
        print_json(results.AccountResult.of(account))
        return
    mode = account.sharing.mode.value
    say(f"{account.address} is connected for {account.owner}, shared as {mode}.", style="green")
    if account.unproven:
        say(
            f"{', '.join(account.unproven)}: {wording.NOT_PROVEN}. See `leadmail account aliases {account.address}`.",
            style="yellow",
        )
    say(f"Its existing mail is being imported. {account.owner} gets a confirmation when that is done.")
    for one in proposed:
        say(wording.proposed_domain(one.domain, one.addresses), style="yellow")
