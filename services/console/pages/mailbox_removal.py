"""A mailbox disconnected (its mail stays) or purged (its mail goes, too); counts are shown first."""

from __future__ import annotations

from starlette.responses import Response

from schemas.accounts import AccountState
from services.console.pages.mailboxes import own
from services.console.web.forms import AnswerError
from services.console.web.request_context import RequestContext


async def counts(visit: RequestContext) -> Response:
    """Show what it is about."""
    account = await own(visit)
    found = await visit.store.removal.counts(account.id)
    return visit.page("removal.html", account=account, counts=found)


async def remove(visit: RequestContext) -> Response:
    """Do it, when the address was typed (for a purge) or the box was ticked."""
    account = await own(visit)
    match visit.form.text("do"):
        case "disconnect":
            if account.state is AccountState.DISCONNECTED:
                raise AnswerError(409, f"{account.address} is disconnected already.")
            await visit.store.removal.disconnect(account.id, by=visit.viewer)
            return visit.go("/mailboxes", "disconnected")
        case "purge":
            if visit.form.text("confirm").lower() != account.address:
                raise AnswerError(400, f"Nothing was removed: type {account.address} to confirm.")
            await visit.store.removal.purge(account.id, by=visit.viewer)
            return visit.go("/mailboxes", "purged")
    raise AnswerError(400, "A mailbox can be disconnected, or removed with its mail.")
