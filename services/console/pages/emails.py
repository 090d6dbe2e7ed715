"""One email: what it says, its thread, who sees it and why, and its end."""

from __future__ import annotations

import re

from starlette.responses import Response

from schemas.mail import Role
from schemas.records import RecordRef
from services.console.web.forms import AnswerError
from services.console.web.request_context import RequestContext, record_of
from services.store import NotFoundError, ShownEmail

_KEY = re.compile(r"v\d{1,3}-[0-9a-f]{40}")
_SHOWN = (Role.FROM, Role.TO, Role.CC, Role.REPLY_TO)


def key_of(visit: RequestContext) -> str:
    """Return the key in the path.

    Raises:
        NotFoundError: it is none.
    """
    key = visit.part("email")
    if not _KEY.fullmatch(key):
        raise NotFoundError("there is no such email")
    return key


def _may_delete(visit: RequestContext, shown: ShownEmail) -> bool:
    return visit.user.admin or any(copy.own for copy in shown.line.copies)


async def show(visit: RequestContext) -> Response:
    """Show an email in full, with its thread as far as the viewer sees it."""
    key, reading = key_of(visit), visit.store.reading
    shown = await reading.show(visit.viewer, key)
    thread = await reading.thread(visit.viewer, key)
    content = shown.content
    has_html = bool(content.html or content.html_blob)
    return visit.page(
        "email.html",
        shown=shown,
        content=content,
        people=[(role, [one for one in content.participants if one.role is role]) for role in _SHOWN],
        records=await reading.named(visit.viewer, shown.records),
        thread=thread if len(thread) > 1 else [],
        has_html=has_html,
        as_text=not has_html or visit.form.text("as") == "text",
        remote=visit.form.text("remote") == "1",
        may_delete=_may_delete(visit, shown),
    )


async def explain(visit: RequestContext) -> Response:
    """Tell why somebody sees the email on a record, or does not: a user of himself, an administrator of anybody."""
    key, reading = key_of(visit), visit.store.reading
    kind, _, identifier = visit.form.text("record").partition(":")
    ref: RecordRef = record_of(kind, identifier)
    about = visit.form.text("viewer") or visit.viewer
    if about != visit.viewer and not visit.user.admin:
        raise NotFoundError("only administrators may ask what somebody else sees")
    found = await reading.explain(about, ref, key, asked_by=visit.viewer)
    if not found.lines and not visit.user.admin:
        raise NotFoundError("there is no such email")
    named = await reading.named(visit.viewer, (ref,))
    people = await visit.store.users.list() if visit.user.admin else []
    return visit.page("why.html", key=key, found=found, record=named.get(ref), ref=ref, people=people)


async def asked_to_delete(visit: RequestContext) -> Response:
    """Ask once more."""
    shown = await visit.store.reading.show(visit.viewer, key_of(visit))
    if not _may_delete(visit, shown):
        raise AnswerError(403, "Only who holds a copy of an email, or an administrator, may delete it.")
    return visit.page("delete.html", shown=shown)


async def delete(visit: RequestContext) -> Response:
    """Delete an email from the CRM, for everybody and for good."""
    shown = await visit.store.reading.show(visit.viewer, key_of(visit))
    await visit.store.reading.delete(shown.line.email, by=visit.viewer)
    return visit.go("/records", "deleted")
