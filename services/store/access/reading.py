"""The only way for people to mail: every page, body, attachment and count goes through the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from schemas.accounts import User
from schemas.emails import Link
from schemas.mail import Attachment
from schemas.records import RecordRef
from services.store.access.deleting import Deleting
from services.store.access.email_ids import Naming
from services.store.access.explaining import Explaining
from services.store.access.finding import Finding
from services.store.access.guard import Guard, LinkDecision, prefilter
from services.store.access.lines import Lines
from services.store.access.searching import Searching
from services.store.access.suggesting import Suggesting
from services.store.access.views import Page, ShownEmail
from services.store.core.audit import Audit
from services.store.core.collections import Collections
from services.store.core.documents import Doc, decode, decode_email
from services.store.core.errors import NotFoundError
from services.store.crm.records import Records
from services.store.crm.summaries import Summaries
from services.store.mail.blobs import Blobs
from services.store.mail.emails import Emails
from services.store.mail.orphaned_emails import OrphanedEmails
from services.store.mail.raw_mail import without_traces
from services.store.sync.accounts import Accounts
from services.store.sync.folders import Folders

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH = 100


class Reading(Explaining, Naming, Finding, Searching, Suggesting, Deleting):
    """What a viewer (a user's address) may read. Mail that the viewer may not see is the same as mail that is not there."""

    def __init__(
        self,
        collections: Collections,
        *,
        guard: Guard,
        accounts: Accounts,
        folders: Folders,
        blobs: Blobs,
        records: Records,
        emails: Emails,
        orphaned_emails: OrphanedEmails,
        summaries: Summaries,
        audit: Audit,
    ) -> None:
        Explaining.__init__(self, collections, guard, emails, audit)
        Naming.__init__(self, collections, guard)
        Lines.__init__(self, collections, guard=guard, accounts=accounts, folders=folders)
        self._blobs = blobs
        self._records = records
        self._orphaned = orphaned_emails
        self._summaries = summaries

    async def visible_emails(
        self, viewer: str, record: RecordRef, *, limit: int = 50, before: str | None = None, thread: str | None = None
    ) -> Page:
        """Return a part of a record page, newest first.

        Args:
            viewer: the user who asks.
            record: the lead or contact.
            limit: most emails to return.
            before: ``Page.before`` of the part above this one.
            thread: only this thread.

        Raises:
            NotFoundError: there is no such user.
            ValueError: ``before`` did not come from a page.
        """
        user = await self._guard.viewer(viewer)
        found: list[LinkDecision] = []
        cursor = before
        while len(found) <= limit:
            links = await self._candidates(user, record, cursor, thread, max(limit + 1 - len(found), 20))
            if not links:
                break
            found += [judged for judged in await self._guard.judge(user, links) if judged.visible]
            cursor = _cursor(links[-1])
        shown = found[:limit]
        return Page(await self._lines(user, shown), _cursor(shown[-1].link) if len(found) > limit and shown else None)

    async def count(self, viewer: str, record: RecordRef) -> int:
        """Return how many emails the viewer may see on a record.

        Raises:
            NotFoundError: there is no such user.
        """
        user = await self._guard.viewer(viewer)
        count, cursor = 0, None
        while links := await self._candidates(user, record, cursor, None, _BATCH):
            count += sum(judged.visible for judged in await self._guard.judge(user, links))
            cursor = _cursor(links[-1])
        return count

    async def show(self, viewer: str, email: str) -> ShownEmail:
        """Return an email in full.

        Raises:
            NotFoundError: there is no such user, or no email of this id that the viewer may see.
        """
        user = await self._guard.viewer(viewer)
        visible = await self._visible(user, [email])
        document = await self._emails.find_one({"_id": email}) if visible else None
        lines = await self._lines(user, visible)
        if document is None or not lines:
            raise NotFoundError(f"there is no email {email}")
        records = tuple(judged.link.record for judged in visible)
        return ShownEmail(line=lines[0], records=records, content=decode_email(document).content)

    async def html(self, viewer: str, email: str) -> str | None:
        """Return the HTML as it was sent, **not sanitised**; None when it has none.

        Raises:
            NotFoundError: as for ``show``.
        """
        content = (await self.show(viewer, email)).content
        if content.html_blob is None:
            return content.html
        return (await self._blobs.get(content.html_blob)).decode("utf-8", "replace")

    async def raw(self, viewer: str, email: str) -> bytes:
        """Return the mail as a server had it, without the headers that tell of one copy only (Bcc and the traces of delivery).

        Raises:
            NotFoundError: as for ``show``.
        """
        content = (await self.show(viewer, email)).content
        return without_traces(await self._blobs.get(content.raw))

    async def attachment(self, viewer: str, email: str, number: int) -> tuple[Attachment, AsyncIterator[bytes]]:
        """Return an attachment (``number`` counts from 1) and its content in parts.

        Raises:
            NotFoundError: as for ``show``; or it has no such attachment.
        """
        attachments = (await self.show(viewer, email)).content.attachments
        if not 1 <= number <= len(attachments):
            raise NotFoundError(f"the email has no attachment {number}: it has {len(attachments)}")
        wanted = attachments[number - 1]
        await self._blobs.size(wanted.sha256)  # so that a missing one is told before the first part is asked for
        return wanted, self._blobs.stream(wanted.sha256)

    async def _candidates(
        self, user: User, record: RecordRef, cursor: str | None, thread: str | None, limit: int
    ) -> list[Link]:
        """Return links that the user may perhaps see: what the matcher worked out is a prefilter, the guard decides."""
        query: Doc = {"record.kind": record.kind, "record.id": record.id, "$and": [prefilter(user)]}
        if cursor is not None:
            sent_at, link = _position(cursor)
            query["$and"].append({"$or": [{"sent_at": {"$lt": sent_at}}, {"sent_at": sent_at, "_id": {"$lt": link}}]})
            query["sent_at"] = {"$lte": sent_at}  # bounds the index scan
        if thread is not None:
            query["thread"] = thread
        found = self._links.find(query).sort([("sent_at", -1), ("_id", -1)]).limit(limit)
        return [decode(Link, document) async for document in found]


def _cursor(link: Link) -> str:
    return f"{(link.sent_at - _EPOCH) // timedelta(milliseconds=1)}~{link.id}"


def _position(cursor: str) -> tuple[datetime, str]:
    milliseconds, tilde, link = cursor.partition("~")
    if not tilde or not milliseconds.removeprefix("-").isdecimal():
        raise ValueError("this is not the `before` of a page")
    return _EPOCH + timedelta(milliseconds=int(milliseconds)), link
