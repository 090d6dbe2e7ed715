"""The audit log: who changed what."""

from __future__ import annotations

import orjson
from starlette.responses import Response

from schemas.addresses import normal_address_or_none
from services.console.web.request_context import RequestContext
from services.store import AuditEntry

PER_PAGE, MOST = 100, 1_000


async def entries(visit: RequestContext) -> Response:
    """Show the newest entries, all or those by somebody or of one kind."""
    by, action = visit.form.text("by"), visit.form.text("action")
    most = visit.form.number("most", PER_PAGE, most=MOST)
    found = await visit.store.audit.list(
        by=(normal_address_or_none(by) or by) or None, action=action or None, limit=most
    )
    more = min(most * 2, MOST) if len(found) == most < MOST else None
    shown = [(one, _details(one)) for one in found]
    return visit.page("audit.html", entries=shown, by=by, action=action, more=more)


def _details(entry: AuditEntry) -> str:
    told = ((name, value) for name, value in entry.details.items() if value is not None)
    return ", ".join(
        f"{name} {value if isinstance(value, str | int | bool) else orjson.dumps(value, default=str).decode()}"
        for name, value in told
    )
