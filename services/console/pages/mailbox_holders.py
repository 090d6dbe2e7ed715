"""Who has a mailbox: the members of a shared one; disconnecting it (its mail stays) or purging it (its mail is deleted)."""

from __future__ import annotations

from starlette.responses import Response

from schemas.accounts import Account, AccountState
from schemas.addresses import InvalidAddressError, normal_address
from services import wording
from services.console.pages.mailboxes import own_account
from services.console.web.forms import PageError
from services.console.web.request_context import RequestContext
from services.store import ChangedMeanwhileError, NotAllowedError, NotFoundError
from services.usecases import membership


async def members(context: RequestContext) -> Response:
    """Show the members of a mailbox, to them and to administrators."""
    return _members(context, await _changeable(context))


def _members(context: RequestContext, account: Account, wrong: PageError | None = None) -> Response:
    return context.render(
        "members.html",
        status=wrong.status if wrong else 200,
        account=account,
        more=context.form.text("more") if wrong else "",
        mine=context.viewer in account.holders,
        wrong=wrong.sentence if wrong else None,
    )


async def change_members(context: RequestContext) -> Response:
    """Add members, remove one, or make it one's own. The first that the owner adds makes their mailbox a shared one."""
    account = await _changeable(context)
    try:
        joining = [normal_address(one) for one in context.form.text("more").replace(",", " ").replace(";", " ").split()]
        leaving = context.form.values("member") if context.form.text("do") == "remove" else []
        if context.form.text("do") == "own":
            owner = context.form.text("member")
            account = await membership.own(account, owner, store=context.store, by=context.user)
        else:
            account = await membership.change(
                account, add=joining, remove=leaving, store=context.store, by=context.user
            )
    except (InvalidAddressError, NotFoundError, NotAllowedError, ChangedMeanwhileError) as error:
        return _members(context, account, PageError(422, wording.sentence(str(error))))
    stays = membership.may_change(account, context.user)
    return context.redirect(f"/mailboxes/{account.id}/members" if stays else "/mailboxes", "members")


async def _changeable(context: RequestContext) -> Account:
    """Return the account in the path.

    Raises:
        NotFoundError: it does not exist, or its members are not for this user to change.
    """
    account = await context.store.accounts.get(context.path_part("account"))
    if not membership.may_change(account, context.user):
        raise NotFoundError("there is no such account")
    return account


async def counts(context: RequestContext) -> Response:
    """Show how many emails each choice affects."""
    return await _removal(context, await own_account(context))


async def _removal(context: RequestContext, account: Account, wrong: PageError | None = None) -> Response:
    """Show the counts; or what was typed, and what is wrong with it."""
    return context.render(
        "removal.html",
        status=wrong.status if wrong else 200,
        account=account,
        counts=await context.store.removal.counts([account.id], asker=context.viewer),
        confirm=context.form.text("confirm"),
        wrong=wrong.sentence if wrong else None,
    )


async def remove(context: RequestContext) -> Response:
    """Disconnect the mailbox; or purge it, if the user typed its address to confirm."""
    account = await own_account(context)
    revoker = context.console.revoker
    tokens = revoker.tokens([account])
    match context.form.text("do"):
        case "disconnect":
            if account.state is AccountState.DISCONNECTED:
                return await _removal(context, account, PageError(409, f"{account.address} is already disconnected."))
            await context.store.removal.disconnect(account.id, by=context.viewer)
            await revoker.revoke(tokens)
            return context.redirect("/mailboxes", "disconnected")
        case "purge":
            if context.form.text("confirm").lower() != account.address:
                wrong = PageError(400, f"Nothing was removed: type {account.address} to confirm.")
                return await _removal(context, account, wrong)
            await context.store.removal.purge(account.id, by=context.viewer)
            await revoker.revoke(tokens)
            return context.redirect("/mailboxes", "purged")
    raise PageError(400, "A mailbox can be disconnected or removed with its mail.")
