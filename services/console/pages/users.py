"""Users: who is signed in and what they own; disabling, enabling, unbinding and removing them. The page shows the extent first."""

from __future__ import annotations

from starlette.responses import Response

from services.console.pages.mailboxes import unconfirmed
from services.console.web.forms import PageError
from services.console.web.refusals import REFUSALS, page_error
from services.console.web.request_context import RequestContext
from services.store import NotFoundError
from services.usecases import leaving, provisioning
from services.usecases.leaving import MailboxFate

HERE = "/operations/users"


async def index(context: RequestContext) -> Response:
    """List the users."""
    return context.render(
        "users.html", lines=await leaving.user_lines(context.store), proposed=await unconfirmed(context)
    )


async def show(context: RequestContext) -> Response:
    """Show what a removal concerns, and who could take over the mailboxes."""
    return await _page(context)


async def _page(context: RequestContext, wrong: PageError | None = None) -> Response:
    """Show a user; or what was chosen and typed, and what is wrong with it."""
    form = context.form
    counts = await leaving.removal_counts(context.store, context.path_part("user"), asker=context.viewer)
    email = counts.user.email
    heirs = [one.email for one in await context.store.users.get_all() if not one.disabled and one.email != email]
    outcomes = {fate.value: leaving.outcome(fate) for fate in MailboxFate}
    return context.render(
        "user.html",
        status=wrong.status if wrong else 200,
        one=counts.user,
        extent=leaving.extent(counts, seen_by="you"),
        heirs=heirs,
        outcomes=outcomes,
        do=form.text("do"),
        confirm=form.text("confirm"),
        fate=form.text("fate"),
        heir=form.text("heir"),
        wrong=wrong.sentence if wrong else None,
    )


async def change(context: RequestContext) -> Response:
    """Disable or enable the user; unbind or remove them if the administrator typed the address to confirm."""
    try:
        return await _change(context)
    except REFUSALS as error:
        return await _page(context, page_error(error))


async def _change(context: RequestContext) -> Response:
    email, form, store = context.path_part("user"), context.form, context.store
    match form.text("do"):
        case "disable":
            await store.user_lifecycle.disable(email, by=context.viewer)
            return context.redirect(HERE, "user-disabled")
        case "enable":
            await store.user_lifecycle.enable(email, by=context.viewer)
            return context.redirect(HERE, "user-enabled")
        case "unbind":
            if form.text("confirm").lower() != email:
                raise PageError(400, f"Nothing was changed: type {email} to confirm.")
            await provisioning.unbind(store, email, by=context.viewer)
            return context.redirect(f"{HERE}/{context.path_part('user')}", "user-unbound")
        case "remove":
            await _remove(context, email)
            return context.redirect(HERE, "user-removed")
    raise PageError(400, "A user can be disabled, enabled, unbound or removed.")


async def _remove(context: RequestContext, email: str) -> None:
    form, store = context.form, context.store
    if form.text("confirm").lower() != email:
        raise PageError(400, f"No one was removed: type {email} to confirm.")
    if form.text("fate") not in list(MailboxFate):
        raise PageError(400, "Choose what happens to the mailboxes.")
    fate, heir = MailboxFate(form.text("fate")), form.text("heir")
    if fate is MailboxFate.TRANSFER:
        if not heir:
            raise PageError(400, "Choose the user who gets the mailboxes.")
        await leaving.refuse_transfer(store, email)
        try:
            await store.users.active(heir)
        except NotFoundError:
            raise PageError(422, f"No one was removed: {heir} is no active user.") from None
    await leaving.remove(store, email, fate, heir=heir, by=context.viewer, revoker=context.console.revoker)
