"""My mailboxes: how each is, and what to do about it."""

from __future__ import annotations

from time import monotonic
from typing import NamedTuple

from starlette.responses import Response

from schemas.accounts import Account, AccountState
from schemas.ledger import RowState
from services import wording
from services.console.web.forms import AnswerError
from services.console.web.request_context import RequestContext
from services.mailbox import advice
from services.store import AccountStatus, NotFoundError
from services.usecases import overview


class Mailbox(NamedTuple):
    """What is shown of a mailbox."""

    account: Account
    state: str
    """In words."""
    trouble: tuple[str, tuple[str, ...], str] | None
    """Why it is blocked, the steps against it, and the page that they are from."""
    done: int
    total: int
    backfill: str
    goes_on: bool
    sharing: str
    counts: dict[RowState, int]

    @property
    def connected(self) -> bool:
        """Whether there is anything to set."""
        return self.account.state is not AccountState.DISCONNECTED


_STATES = {
    AccountState.ACTIVE: "synchronised",
    AccountState.PAUSED: "paused by you",
    AccountState.BLOCKED: "stopped: needs you",
    AccountState.DISCONNECTED: "disconnected",
}


async def first(visit: RequestContext) -> Response:
    """Go to where somebody begins: who has no mailbox yet, to connecting one."""
    return visit.go("/mailboxes" if await visit.store.accounts.list(visit.viewer) else "/mailboxes/connect")


async def own(visit: RequestContext) -> Account:
    """Return the account of the path.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    account = await visit.store.accounts.get(visit.part("account"))
    if account.owner != visit.viewer:
        raise NotFoundError("there is no such account")
    return account


async def connected(visit: RequestContext) -> Account:
    """Do as ``own`` for an account that is not disconnected."""
    account = await own(visit)
    if account.state is AccountState.DISCONNECTED:
        raise AnswerError(409, f"{account.address} is disconnected: connect it again.")
    return account


def mailbox_of(visit: RequestContext, status: AccountStatus) -> Mailbox:
    """Return what is shown of a mailbox; how fast it goes is known of who looks again."""
    account, (done, total) = status.account, overview.progress(status)
    visit.console.pace.note(account.id, done, total, monotonic())
    return Mailbox(
        account=account,
        state=_STATES[account.state],
        trouble=advice.of_blocked(account) if account.state is AccountState.BLOCKED else None,
        done=done,
        total=total,
        backfill=overview.backfill(status, visit.console.pace.left(account.id)),
        goes_on=account.state is AccountState.ACTIVE and (status.epoch is None or overview.goes_on(status)),
        sharing=wording.sharing(account.sharing),
        counts=status.counts,
    )


async def every(visit: RequestContext) -> Response:
    """Show all mailboxes of who is signed in."""
    found = [mailbox_of(visit, one) for one in await visit.store.status.accounts(visit.viewer)]
    return visit.page("mailboxes.html", mailboxes=found, live=any(one.goes_on for one in found))


async def one(visit: RequestContext) -> Response:
    """Show a mailbox."""
    account = await own(visit)
    (status,) = [found for found in await visit.store.status.accounts(visit.viewer) if found.account.id == account.id]
    counts = overview.left_out(await visit.store.ledger.counts_by_folder(account.id))
    mailbox = mailbox_of(visit, status)
    company = await visit.store.company.policy()
    return visit.page(
        "mailbox.html",
        mailbox=mailbox,
        live=mailbox.goes_on,
        left_out=[
            (count, wording.skipped(reason) if state is RowState.SKIPPED else wording.QUARANTINED)
            for (state, reason), count in counts.items()
        ],
        sharing=wording.sharing_in_force(account.sharing, company),
        folders=await visit.store.folders.of(account.id),
        epochs=(await visit.store.epochs.of(account.id))[:3],
    )


async def change(visit: RequestContext) -> Response:
    """Pause, resume or synchronise a mailbox anew."""
    account = await connected(visit)
    path = f"/mailboxes/{account.id}"
    accounts = visit.store.accounts
    match visit.form.text("do"):
        case "pause":
            await accounts.set_state(account.id, AccountState.PAUSED, by=visit.viewer)
            return visit.go(path, "paused")
        case "resume":
            await accounts.set_state(account.id, AccountState.ACTIVE, by=visit.viewer)
            return visit.go(path, "resumed")
        case "resync":
            await accounts.request_resync(account.id, by=visit.viewer)
            return visit.go(path, "resync")
    raise AnswerError(400, "A mailbox can be paused, resumed or synchronised anew.")
