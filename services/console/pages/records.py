"""Leads and contacts: search, record pages, and full-text mail search, limited to what the viewer may see."""

from __future__ import annotations

from collections import Counter
from urllib.parse import quote

from starlette.responses import Response

from schemas.records import RecordRef
from services import wording
from services.console.web.forms import PageError
from services.console.web.request_context import RequestContext, record_of
from services.store import SearchResult
from services.usecases import company_domains

PER_PAGE = 50
NEWEST = 20
"""How many of the newest leads, and of the newest contacts, the page shows before a search."""


async def find(context: RequestContext) -> Response:
    """Find records by address or name; show the newest until something is asked for."""
    asked, store = context.form.text("q"), context.store
    found = (
        await store.record_search.find(context.viewer, asked, limit=PER_PAGE)
        if asked
        else await store.record_search.newest(context.viewer, limit=NEWEST)
    )
    return context.render("records.html", asked=asked, records=found, most=PER_PAGE)


async def search(context: RequestContext) -> Response:
    """Search mail across all records."""
    asked = context.form.text("q")
    return context.render("search.html", asked=asked, found=await _search(context, asked, None) if asked else None)


async def _search(context: RequestContext, asked: str, record: RecordRef | None) -> SearchResult:
    before = context.form.text("before") or None
    try:
        return await context.store.email_search.search(
            context.viewer, asked, record=record, limit=PER_PAGE, before=before
        )
    except ValueError as error:
        raise PageError(400, str(error)) from None


async def show(context: RequestContext) -> Response:
    """Show a record page: its newest mail, one thread, or search results."""
    ref = record_of(context.path_part("kind"), context.path_part("record"))
    store, viewer, form = context.store, context.viewer, context.form
    record = await store.record_search.record(viewer, ref)
    asked, thread = form.text("q"), form.text("thread")
    found, cut_short = None, False
    if asked:
        found = await _search(context, asked, ref)
        emails, before = [one.line for one in found], found.before
    else:
        try:
            part = await store.reading.visible_emails(
                viewer, ref, limit=PER_PAGE, before=form.text("before") or None, thread=thread or None
            )
        except (ValueError, OverflowError):
            raise PageError(400, "This page does not exist. Start again at the newest mail.") from None
        emails, before, cut_short = part
    internal = await company_domains.internal_addresses(store, record.addresses)
    newest = not (asked or thread or form.text("before"))
    return context.render(
        "record.html",
        record=record,
        crm=_crm_url(context, ref),
        emails=emails,
        asked=asked,
        thread=thread,
        threads=Counter(email.thread for email in emails),
        newest=newest,
        before=before,
        cut_short=cut_short,
        found=found,
        internal=wording.internal_record(internal) if internal else "",
        suggested=await store.suggesting.suggested_addresses(viewer, ref) if newest else [],
    )


def _crm_url(context: RequestContext, ref: RecordRef) -> str:
    template = context.console.settings.crm_url_template
    return template.replace("{kind}", ref.kind).replace("{id}", quote(ref.id, safe=""))
