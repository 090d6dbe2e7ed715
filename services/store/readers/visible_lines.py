"""What every reader needs: the visible links of emails, and the lines that users see of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.accounts import User
from schemas.emails import Link
from schemas.records import RecordRef
from services.store.access.guard import Guard, LinkDecision
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.ledger.folders import Folders
from services.store.readers.candidates import Candidates, Position, Scope
from services.store.readers.views import FoundEmail, VisibleEmail, visible_email

_BATCH = 100
_HEAVY = {"text": 0, "reply_text": 0, "html": 0}


class VisibleLines:
    """Makes lines from links that ``guard.decide`` lets through, and from no others."""

    def __init__(
        self,
        collections: Collections,
        *,
        guard: Guard,
        candidates: Candidates,
        colleagues: Colleagues,
        folders: Folders,
    ) -> None:
        self._emails = collections.emails
        self._guard = guard
        self._candidates = candidates
        self._colleagues = colleagues
        self._folders = folders

    async def seen(self, viewer: str, links: Sequence[Link]) -> list[FoundEmail]:
        """Return the emails that a viewer sees on the records of the links."""
        user = await self._guard.viewer(viewer)
        return await self.found(user, [one for one in await self._guard.decide(user, links) if one.visible])

    async def visible(self, user: User, emails: Iterable[str]) -> list[LinkDecision]:
        """Return the links, on any record, by which a user may see emails, newest first."""
        links = await self._candidates.of_emails(user, list(emails))
        return [one for one in await self._guard.decide(user, links) if one.visible]

    async def in_scope(self, user: User, scope: Scope) -> list[LinkDecision]:
        """Return every visible link of a scope, newest first."""
        found: list[LinkDecision] = []
        position: Position | None = None
        while links := await self._candidates.newest(user, scope, position, _BATCH):
            found += [one for one in await self._guard.decide(user, links) if one.visible]
            position = scope.position(links[-1])
        return found

    async def lines(self, user: User, visible: Sequence[LinkDecision]) -> list[VisibleEmail]:
        """Return the lines of visible links, in their order."""
        keys = list({one.link.email for one in visible})
        emails = {document["_id"]: document async for document in self._emails.find({"_id": {"$in": keys}}, _HEAVY)}
        folders = await self._folders.names({row.account for one in visible for row in one.rows})
        named = {one["address"] for email in emails.values() for one in email["participants"] if one["role"] == "from"}
        own = await self._colleagues.own_among(named)
        return [
            visible_email(user.email, one, emails[one.link.email], folders, own)
            for one in visible
            if one.link.email in emails
        ]

    async def found(self, user: User, visible: Sequence[LinkDecision]) -> list[FoundEmail]:
        """Return each visible email once, with the records on which it is visible, in the order of the first links."""
        first: dict[str, VisibleEmail] = {}
        records: dict[str, list[RecordRef]] = {}
        for line in await self.lines(user, visible):
            first.setdefault(line.email, line)
            records.setdefault(line.email, []).append(line.record)
        return [FoundEmail(line=line, records=tuple(records[email])) for email, line in first.items()]
