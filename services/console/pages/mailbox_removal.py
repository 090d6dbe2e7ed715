"""Disconnecting a mailbox (its mail stays) or purging it (its mail is deleted). The page shows the counts first."""

from __future__ import annotations

from starlette.responses import Response

from schemas.accounts import AccountState
from services.console.pages.mailboxes import own_account
from services.console.web.forms import PageError
from services.console.web.request_context import RequestContext


async def counts(context: RequestContext) -> Response:
    """Show how many emails each choice affects."""
    account = await own_account(context)
    found = await context.store.removal.counts([account.id], asker=context.viewer)
    return context.render("removal.html", account=account, counts=found)


async def remove(context: RequestContext) -> Response:
    """Disconnect the mailbox; or purge it, if the user typed its address to confirm."""
    account = await own_account(context)
    revoker = context.console.revoker
    tokens = revoker.tokens([account])
    match context.form.text("do"):
        case "disconnect":
            if account.state is AccountState.DISCONNECTED:
                raise PageError(409, f"{account.address} is already disconnected.")
            await context.store.removal.disconnect(account.id, by=context.viewer)
            await revoker.revoke(tokens)
            return context.redirect("/mailboxes", "disconnected")
        case "purge":
            if context.form.text("confirm").lower() != account.address:
                raise PageError(400, f"Nothing was removed: type {account.address} to confirm.")
            await context.store.removal.purge(account.id, by=context.viewer)
            await revoker.revoke(tokens)
            return context.redirect("/mailboxes", "purged")
    raise PageError(400, "A mailbox can be disconnected or removed with its mail.")
