"""Leads and contacts found, their pages, and mail found by words: as far as the viewer may see."""

from __future__ import annotations

from collections import Counter
from urllib.parse import quote

from starlette.responses import Response

from schemas.records import RecordRef
from services.console.web.forms import AnswerError
from services.console.web.request_context import RequestContext, record_of
from services.store import FoundEmail

PER_PAGE = 50
MOST = 1_000


async def find(visit: RequestContext) -> Response:
    """Find records by address or name."""
    asked = visit.form.text("q")
    found = await visit.store.reading.find(visit.viewer, asked, limit=PER_PAGE) if asked else None
    return visit.page("records.html", asked=asked, records=found, most=PER_PAGE)


async def search(visit: RequestContext) -> Response:
    """Find mail by words, over all records."""
    asked, limit = visit.form.text("q"), visit.form.number("most", PER_PAGE, most=MOST)
    found = await _search(visit, asked, None, limit) if asked else None
    more = min(limit * 2, MOST) if found is not None and len(found) == limit < MOST else None
    return visit.page("search.html", asked=asked, found=found, more=more)


async def _search(visit: RequestContext, asked: str, record: RecordRef | None, limit: int) -> list[FoundEmail]:
    try:
        return await visit.store.reading.search(visit.viewer, asked, record=record, limit=limit)
    except ValueError as error:
        raise AnswerError(400, str(error)) from None


async def page(visit: RequestContext) -> Response:
    """Show a record page: its newest mail, a thread of it, or what has some words."""
    ref = record_of(visit.part("kind"), visit.part("record"))
    reading, viewer, form = visit.store.reading, visit.viewer, visit.form
    record = await reading.record(viewer, ref)
    asked, thread, limit = form.text("q"), form.text("thread"), form.number("most", PER_PAGE, most=MOST)
    before = more = None
    if asked:
        found = await _search(visit, asked, ref, limit)
        emails = [one.line for one in found]
        more = min(limit * 2, MOST) if len(found) == limit < MOST else None
    else:
        try:
            part = await reading.visible_emails(
                viewer, ref, limit=PER_PAGE, before=form.text("before") or None, thread=thread or None
            )
        except (ValueError, OverflowError):
            raise AnswerError(400, "This page is not there: begin at the newest mail.") from None
        emails, before = part.emails, part.before
    newest = not (asked or thread or form.text("before"))
    return visit.page(
        "record.html",
        record=record,
        crm=_crm_url(visit, ref),
        emails=emails,
        asked=asked,
        thread=thread,
        threads=Counter(email.thread for email in emails),
        newest=newest,
        before=before,
        more=more,
        suggested=await reading.suggested_addresses(viewer, ref) if newest else [],
    )


def _crm_url(visit: RequestContext, ref: RecordRef) -> str:
    template = visit.console.settings.crm_url_template
    return template.replace("{kind}", ref.kind).replace("{id}", quote(ref.id, safe=""))
