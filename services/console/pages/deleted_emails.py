"""Deleted emails: administrators see which can be restored, and restore them."""

from __future__ import annotations

from starlette.responses import Response

from services.console.web.request_context import RequestContext

HERE = "/operations/deleted"


async def index(context: RequestContext) -> Response:
    """List them. The subject shows only to an administrator who held a copy."""
    found = await context.store.undoing.deleted(context.viewer)
    return context.render("deleted.html", emails=found, days=context.console.settings.undo_days)


async def restore(context: RequestContext) -> Response:
    """Undo a deletion."""
    await context.store.undoing.restore(context.form.text("email"), by=context.viewer)
    return context.redirect(HERE, "restored")
