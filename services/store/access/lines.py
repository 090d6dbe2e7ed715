"""What readers have in common: the judged links of emails, and the lines made of those that are visible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.accounts import User
from schemas.emails import Link
from schemas.records import RecordRef
from services.store.access.guard import Guard, LinkDecision
from services.store.access.views import FoundEmail, VisibleEmail, visible_email
from services.store.core.collections import Collections
from services.store.core.documents import decode
from services.store.sync.accounts import Accounts
from services.store.sync.folders import Folders

_HEAVY = {"text": 0, "reply_text": 0, "html": 0}


class Lines:
    """The part of ``reading`` that every other part is made with: nothing gets past ``guard.judge``."""

    def __init__(self, collections: Collections, *, guard: Guard, accounts: Accounts, folders: Folders) -> None:
        self._links = collections.links
        self._emails = collections.emails
        self._guard = guard
        self._accounts = accounts
        self._folders = folders

    async def seen(self, viewer: str, links: Sequence[Link]) -> list[FoundEmail]:
        """Return the emails of some links that a viewer sees on the links' records.

        Raises:
            NotFoundError: there is no such user.
        """
        user = await self._guard.viewer(viewer)
        return await self._found(user, [judged for judged in await self._guard.judge(user, links) if judged.visible])

    async def _visible(self, user: User, emails: Iterable[str]) -> list[LinkDecision]:
        """Return the links, on whichever record, by which a user may see emails."""
        found = self._links.find({"email": {"$in": list(emails)}}).sort([("sent_at", -1), ("_id", 1)])
        links = [decode(Link, document) async for document in found]
        return [judged for judged in await self._guard.judge(user, links) if judged.visible]

    async def _lines(self, user: User, visible: Sequence[LinkDecision]) -> list[VisibleEmail]:
        """Return the lines of visible links, in their order."""
        keys = list({judged.link.email for judged in visible})
        emails = {document["_id"]: document async for document in self._emails.find({"_id": {"$in": keys}}, _HEAVY)}
        folders = await self._folders.names({row.account for judged in visible for row in judged.rows})
        named = {one["address"] for email in emails.values() for one in email["participants"] if one["role"] == "from"}
        own = await self._accounts.own_among(named)
        return [
            visible_email(user.email, judged, emails[judged.link.email], folders, own)
            for judged in visible
            if judged.link.email in emails
        ]

    async def _found(self, user: User, visible: Sequence[LinkDecision]) -> list[FoundEmail]:
        """Return visible emails, each once, with the records on which they are visible, in the order of their first links."""
        first: dict[str, VisibleEmail] = {}
        records: dict[str, list[RecordRef]] = {}
        for line in await self._lines(user, visible):
            first.setdefault(line.email, line)
            records.setdefault(line.email, []).append(line.record)
        return [FoundEmail(line=line, records=tuple(records[email])) for email, line in first.items()]
