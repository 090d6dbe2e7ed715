"""The audit log: who changed what."""

from __future__ import annotations

from starlette.responses import Response

from schemas.addresses import normal_address_or_none
from services import wording
from services.console.web.request_context import RequestContext

PER_PAGE, MOST = 100, 1_000


async def index(context: RequestContext) -> Response:
    """Show the newest entries: all, or those of one user or one action."""
    by, action = context.form.text("by"), context.form.text("action")
    most = context.form.number("most", PER_PAGE, most=MOST)
    found = await context.store.audit.newest(
        by=(normal_address_or_none(by) or by) or None, action=action or None, limit=most
    )
    more = min(most * 2, MOST) if len(found) == most < MOST else None
    shown = [(one, wording.audit_details(one.details)) for one in found]
    return context.render("audit.html", entries=shown, by=by, action=action, more=more)
