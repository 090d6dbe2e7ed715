"""My mailboxes: the status of each, and what to do about problems."""

from __future__ import annotations

from time import monotonic
from typing import NamedTuple

from starlette.responses import Response

from schemas.accounts import Account, AccountState
from schemas.ledger import RowState
from services import wording
from services.console.web.forms import PageError
from services.console.web.request_context import RequestContext
from services.mailbox import advice
from services.store import AccountStatus, NotFoundError
from services.usecases import balance, company_domains, overview
from services.usecases.company_domains import ProposedDomain


class Mailbox(NamedTuple):
    """A mailbox as the pages show it."""

    account: Account
    state: str
    """In words."""
    tone: str
    """``good``, ``warn``, ``bad`` or ``soft``: the colour of the state."""
    problem: tuple[str, tuple[str, ...], str] | None
    """Why it is blocked, how to fix it step by step, and the URL of the instructions."""
    trouble: tuple[str, tuple[str, ...], str] | None
    """The same for an active mailbox that cannot go on at the moment, and is tried again without its owner."""
    done: int
    total: int
    backfill: str
    importing: bool
    """Whether the import is running, so that the page refreshes itself."""
    sharing: str
    counts: dict[RowState, int]
    """How much of its mail is on records, and on none; empty if the owner may not know that."""

    @property
    def connected(self) -> bool:
        """Whether it is connected, so that its settings can be changed."""
        return self.account.state is not AccountState.DISCONNECTED


_STATES = {
    AccountState.ACTIVE: ("active", "good"),
    AccountState.BLOCKED: ("stopped: action needed", "bad"),
    AccountState.DISCONNECTED: ("disconnected", "soft"),
}


async def home(context: RequestContext) -> Response:
    """Redirect to the user's mailboxes, or to connecting one if they have none."""
    return context.redirect(
        "/mailboxes" if await context.store.accounts.held_by(context.viewer) else "/mailboxes/connect"
    )


async def own_account(context: RequestContext) -> Account:
    """Return the account in the path.

    Raises:
        NotFoundError: it does not exist, or belongs to another user.
    """
    account = await context.store.accounts.get(context.path_part("account"))
    if context.viewer not in account.holders:
        raise NotFoundError("there is no such account")
    return account


async def connected_account(context: RequestContext) -> Account:
    """Return the account in the path if it is not disconnected.

    Raises:
        NotFoundError: it does not exist, or belongs to another user.
        PageError: it is disconnected.
    """
    account = await own_account(context)
    if account.state is AccountState.DISCONNECTED:
        raise PageError(409, f"{account.address} is disconnected. Connect it again first.")
    return account


def mailbox_of(context: RequestContext, status: AccountStatus) -> Mailbox:
    """Return what is shown of a mailbox; how fast it goes is known of who looks again."""
    account, (done, total) = status.account, overview.progress(status)
    trouble = account.trouble if account.state is AccountState.ACTIVE else None
    importing = account.state is AccountState.ACTIVE and (status.epoch is None or overview.is_backfilling(status))
    state, tone = _STATES.get(account.state) or (
        wording.paused(account.reason, shared=account.shared),
        "warn",
    )
    if trouble:
        state, tone = "active, with a problem", "warn"
    elif importing:
        state, tone = ("waiting", "warn") if status.holder is None else ("importing", "soft")
    context.console.estimator.note(account.id, done, total, monotonic())
    return Mailbox(
        account=account,
        state=state,
        tone=tone,
        problem=advice.of_blocked(account) if account.state is AccountState.BLOCKED else None,
        trouble=advice.of_trouble(account, trouble) if trouble else None,
        done=done,
        total=total,
        backfill=overview.backfill_progress(status, context.console.estimator.seconds_left(account.id)),
        importing=importing,
        sharing=wording.sharing(account.sharing),
        # With a readers field, some of it may be on records that the CRM hides from the owner.
        counts={} if context.console.settings.crm_readers_field else status.counts,
    )


async def unconfirmed(context: RequestContext) -> list[ProposedDomain]:
    """Return the domains that are to be confirmed as the company's, for administrators only."""
    return await company_domains.proposed(context.store) if context.user.admin else []


async def index(context: RequestContext) -> Response:
    """List the mailboxes of the signed-in user."""
    found = [mailbox_of(context, one) for one in await context.store.status.accounts(context.viewer)]
    return context.render(
        "mailboxes.html", mailboxes=found, live=any(one.importing for one in found), proposed=await unconfirmed(context)
    )


async def show(context: RequestContext) -> Response:
    """Show a mailbox."""
    account = await own_account(context)
    (status,) = [
        found for found in await context.store.status.accounts(context.viewer) if found.account.id == account.id
    ]
    together, _ = await balance.of_account(context.store, account.id)
    mailbox = mailbox_of(context, status)
    company = await context.store.company.policy()
    return context.render(
        "mailbox.html",
        mailbox=mailbox,
        live=mailbox.importing,
        left_out=[
            (count, wording.skipped(reason) if state is RowState.SKIPPED else wording.QUARANTINED)
            for state, reason, count in together.left_out
        ],
        sharing=wording.sharing_in_force(account.sharing, company),
        folders=(folders := await context.store.folders.of(account.id)),
        hindered=[one.name for one in folders if account.trouble and one.id == account.trouble.folder],
        proposed=await unconfirmed(context),
        epochs=(await context.store.epochs.of(account.id))[:3],
    )


async def messages(context: RequestContext) -> Response:
    """Show what became of each message of a mailbox."""
    account = await own_account(context)
    together, each = await balance.of_account(context.store, account.id)
    hidden = bool(context.console.settings.crm_readers_field)
    there = [one for one in each if one.totals.rows or not one.is_gone]
    return context.render("messages.html", account=account, together=together, each=there, hidden=hidden)


async def change(context: RequestContext) -> Response:
    """Pause or resume a mailbox, or synchronise all of it again."""
    account = await connected_account(context)
    path = f"/mailboxes/{account.id}"
    accounts = context.store.accounts
    match context.form.text("do"):
        case "pause":
            await accounts.set_state(account.id, AccountState.PAUSED, by=context.viewer)
            return context.redirect(path, "paused")
        case "resume":
            await accounts.set_state(account.id, AccountState.ACTIVE, by=context.viewer)
            return context.redirect(path, "resumed")
        case "resync":
            await accounts.request_resync(account.id, by=context.viewer)
            return context.redirect(path, "resync")
    raise PageError(400, "A mailbox can be paused, resumed, or synchronised again.")
