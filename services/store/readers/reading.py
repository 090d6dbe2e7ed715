"""Record pages and whole emails, for users: every page, body, attachment and count passes the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from schemas.emails import Link
from schemas.mail import Attachment
from schemas.records import RecordRef
from services.store.access.guard import LinkDecision
from services.store.access.teams import ActiveViewer
from services.store.core.collections import Collections
from services.store.core.documents import decode_email
from services.store.core.errors import NotFoundError
from services.store.mail.blobs import Blobs
from services.store.mail.raw_forms import RawForms
from services.store.readers.candidates import Position, on_record
from services.store.readers.failures import Failures
from services.store.readers.threads import with_threads
from services.store.readers.views import EmailPage, ShownEmail
from services.store.readers.visible_lines import folded, shown_marks
from services.store.readers.visible_mail import VisibleMail

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH = 100


class Reading:
    """Reads for a viewer (a user's address). Mail that the viewer may not see looks the same as mail that does not exist.

    Every method raises NotFoundError for a viewer who is no active user.
    """

    def __init__(
        self,
        collections: Collections,
        mail: VisibleMail,
        *,
        failures: Failures,
        blobs: Blobs,
    ) -> None:
        self._emails = collections.emails
        self._guard, self._candidates, self._lines, self._threads = mail
        self._failures = failures
        self._blobs = blobs
        self._raw = RawForms(blobs)

    async def visible_emails(
        self, viewer: str, record: RecordRef, *, limit: int = 50, before: str | None = None, thread: str | None = None
    ) -> EmailPage:
        """Return a part of a record page, newest first. Emails that are one mail to a person are one line (``VisibleEmail.also``).

        ``before`` is ``EmailPage.before`` of the part above this one; ``thread`` (a line's) limits the page to one thread.

        Raises:
            NotFoundError: there is no such user.
            ValueError: ``before`` does not come from a page.
        """
        user = await self._guard.viewer(viewer)
        found: list[LinkDecision] = []
        scope, position = on_record(record), None if before is None else _position(before)
        if thread is not None:
            return await self._thread_page(user, record, thread, position, limit)
        while len(found) <= limit:
            links = await self._candidates.newest(user, scope, position, max(limit + 1 - len(found), 20))
            if not links:
                break
            found += [one for one in await self._guard.decide(user, links) if one.visible]
            position = scope.position(links[-1])
        shown = found[:limit]
        before = _cursor(shown[-1].link) if len(found) > limit and shown else None
        lines = await self._threads.joined(user, folded(await self._lines.lines(user, shown)), shown, record)
        return EmailPage(await self._failures.marked(user, lines, (record,)), before)

    async def _thread_page(
        self, user: ActiveViewer, record: RecordRef, thread: str, position: Position | None, limit: int
    ) -> EmailPage:
        if not await self._guard.may_read(user, record):
            return EmailPage([], None)
        whole = await self._threads.around(user, (), ids=(thread,), record=record)
        rest = [one for one in whole.visible if position is None or (one.link.sent_at, one.link.id) < position]
        before = _cursor(rest[limit - 1].link) if len(rest) > limit else None
        lines = with_threads(folded(await self._lines.lines(user, rest[:limit])), whole.visible)
        return EmailPage(await self._failures.marked(user, lines, (record,)), before, whole.cut_short)

    async def count(self, viewer: str, record: RecordRef) -> int:
        """Return how many emails the viewer may see on a record."""
        return len(await self._lines.in_scope(await self._guard.viewer(viewer), on_record(record)))

    async def full_key(self, viewer: str, start: str) -> str:
        """Return the id of the one email that begins with ``start`` among those that the viewer may see.

        Raises:
            NotFoundError: there is no such user, or none or several of the visible emails begin so.
        """
        user = await self._guard.viewer(viewer)
        found: set[str] = set()
        ids = await self._candidates.ids(user, start, "", _BATCH) if start else []
        while ids and len(found) <= 1:
            links = await self._candidates.of_emails(user, ids)
            found |= {one.link.email for one in await self._guard.decide(user, links) if one.visible}
            ids = await self._candidates.ids(user, start, ids[-1], _BATCH)
        if len(found) > 1:
            raise NotFoundError(f"several emails begin with {start}: give more of the id")
        if not found:
            raise NotFoundError(f"there is no email {start}")
        return found.pop()

    async def show(self, viewer: str, email: str) -> ShownEmail:
        """Return an email in full.

        Raises:
            NotFoundError: there is no such user, or no email of this id that the viewer may see.
        """
        user = await self._guard.viewer(viewer)
        visible = await self._lines.visible(user, [email])
        document = await self._emails.find_one({"_id": email}) if visible else None
        lines = await self._lines.lines(user, visible)
        if document is None or not lines:
            raise NotFoundError(f"there is no email {email}")
        records = tuple(one.link.record for one in visible)
        content = decode_email(document).content
        content = content.model_copy(update={"marks": shown_marks(content.marks)})
        (line,) = await self._failures.marked(user, lines[:1], records)
        return ShownEmail(line=line, records=records, content=content)

    async def html(self, viewer: str, email: str) -> str | None:
        """Return the HTML as sent, **not sanitised**; None if the email has none.

        Raises:
            NotFoundError: as for ``show``.
        """
        content = (await self.show(viewer, email)).content
        if content.html_blob is None:
            return content.html
        return (await self._blobs.get(content.html_blob)).decode("utf-8", "replace")

    async def raw(self, viewer: str, email: str) -> bytes:
        """Return the raw form of a copy that lets the viewer see the mail.

        The viewer's own copy comes first, byte for byte. Of a colleague's copy it has the header fields that every reader may see.

        Raises:
            NotFoundError: as for ``show``.
        """
        user = await self._guard.viewer(viewer)
        visible = await self._lines.visible(user, [email])
        document = await self._emails.find_one({"_id": email}) if visible else None
        if document is None:
            raise NotFoundError(f"there is no email {email}")
        copies = [one for decision in visible for one in decision.copies()]
        own = await self._raw.whole(row for row, account in copies if account.owner in user.owners)
        return own or await self._raw.shown((row for row, _ in copies), decode_email(document).content)

    async def attachment(self, viewer: str, email: str, number: int) -> tuple[Attachment, AsyncIterator[bytes]]:
        """Return an attachment (``number`` counts from 1) and its content in parts.

        Raises:
            NotFoundError: as for ``show``, or the email has no such attachment.
        """
        attachments = (await self.show(viewer, email)).content.attachments
        if not 1 <= number <= len(attachments):
            raise NotFoundError(f"the email has no attachment {number}: it has {len(attachments)}")
        wanted = attachments[number - 1]
        await self._blobs.size(wanted.sha256)  # fails for a missing blob before the caller asks for the first part
        return wanted, self._blobs.stream(wanted.sha256)


def _cursor(link: Link) -> str:
    return f"{(link.sent_at - _EPOCH) // timedelta(milliseconds=1)}~{link.id}"


def _position(cursor: str) -> Position:
    milliseconds, tilde, link = cursor.partition("~")
    if not tilde or not milliseconds.removeprefix("-").isdecimal():
        raise ValueError("this is not the `before` of a page")
    return Position(_EPOCH + timedelta(milliseconds=int(milliseconds)), link)
