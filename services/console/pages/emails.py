"""One email: its content, its thread, who sees it and why, keeping it private, and its deletion."""

from __future__ import annotations

import re

from starlette.responses import Response

from schemas.identity import team_of
from schemas.mail import Role
from schemas.records import RecordRef
from services.console.web.forms import PageError
from services.console.web.request_context import RequestContext, record_of
from services.store import NotFoundError, ShownEmail
from services.usecases.html import has_remote_images

_KEY = re.compile(r"v\d{1,3}-[0-9a-f]{40}")
_SHOWN = (Role.FROM, Role.TO, Role.CC, Role.REPLY_TO)


def key_of(context: RequestContext) -> str:
    """Return the email key in the path.

    Raises:
        NotFoundError: it is not an email key.
    """
    key = context.path_part("email")
    if not _KEY.fullmatch(key):
        raise NotFoundError("there is no such email")
    return key


def _may_delete(context: RequestContext, shown: ShownEmail) -> bool:
    return context.user.admin or any(copy.own for copy in shown.line.copies)


def _own_holders(viewer: str, shown: ShownEmail) -> frozenset[str]:
    """Return as which owners the viewer holds it. What another mailbox of a team keeps private does not concern these copies."""
    own = [copy for copy in shown.line.copies if copy.own]
    return frozenset(viewer if copy.owner == viewer else team_of(copy.account) for copy in own)


async def show(context: RequestContext) -> Response:
    """Show an email in full, with those emails of its thread that the viewer may see."""
    key, store = key_of(context), context.store
    shown = await store.reading.show(context.viewer, key)
    thread = await store.email_search.thread(context.viewer, key)
    content = shown.content
    has_html = bool(content.html or content.html_blob)
    as_text = not has_html or context.form.text("as") == "text"
    html = None if as_text else await store.reading.html(context.viewer, key)
    return context.render(
        "email.html",
        shown=shown,
        content=content,
        people=[(role, [one for one in content.participants if one.role is role]) for role in _SHOWN],
        records=await store.record_search.named(context.viewer, shown.records),
        thread=thread if len(thread) > 1 else [],
        cut_short=thread.cut_short,
        has_html=has_html,
        as_text=as_text,
        has_images=html is not None and has_remote_images(html),
        remote=context.form.text("remote") == "1",
        may_delete=_may_delete(context, shown),
        own=any(copy.own for copy in shown.line.copies),
        kept=await store.withdrawals.kinds(_own_holders(context.viewer, shown), key, content.thread_ids),
    )


async def explain(context: RequestContext) -> Response:
    """Explain why a user sees the email on a record, or does not. Only administrators may ask about other users."""
    key, store = key_of(context), context.store
    kind, _, identifier = context.form.text("record").partition(":")
    ref: RecordRef = record_of(kind, identifier)
    about = context.form.text("viewer") or context.viewer
    if about != context.viewer and not context.user.admin:
        raise NotFoundError("only administrators may ask what another user sees")
    found = await store.explaining.explain(about, ref, key, asked_by=context.viewer)
    if not found.lines and not found.visible and not context.user.admin:
        raise NotFoundError("there is no such email")
    named = await store.record_search.named(context.viewer, (ref,))
    people = await context.store.users.get_all() if context.user.admin else []
    return context.render("why.html", key=key, found=found, record=named.get(ref), ref=ref, people=people)


async def change_sharing(context: RequestContext) -> Response:
    """Keep the viewer's copies of the email, or of its thread, private; or share them again."""
    key, form, withdrawing = key_of(context), context.form, context.store.withdrawing
    thread = form.text("what") == "thread"
    match form.text("do"):
        case "private":
            await withdrawing.keep_private(key, by=context.viewer, thread=thread)
            return context.redirect(f"/mail/{key}", "kept-private")
        case "share":
            await withdrawing.share_again(key, by=context.viewer, thread=thread)
            return context.redirect(f"/mail/{key}", "shared-again")
    raise PageError(400, "An email can be kept private or shared again.")


async def confirm_delete(context: RequestContext) -> Response:
    """Ask for confirmation."""
    shown = await context.store.reading.show(context.viewer, key_of(context))
    if not _may_delete(context, shown):
        raise PageError(403, "Only a user who holds a copy of the email, or an administrator, may delete it.")
    return context.render("delete.html", shown=shown, days=context.console.settings.undo_days)


async def delete(context: RequestContext) -> Response:
    """Delete an email from the CRM, for everyone."""
    shown = await context.store.reading.show(context.viewer, key_of(context))
    await context.store.deleting.delete(shown.line.email, by=context.viewer)
    return context.redirect("/records", "deleted")
