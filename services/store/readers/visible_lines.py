"""What every reader needs: the visible links of emails, and the lines that users see of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from schemas.emails import Link
from schemas.mail import Attachment, Classification, Participant, Role
from schemas.records import RecordRef
from services.store.access.guard import Guard, LinkDecision
from services.store.access.teams import ActiveViewer
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.crm.summaries import authors_of, direction
from services.store.ledger.folders import Folders
from services.store.readers.candidates import Candidates, Position, Scope
from services.store.readers.views import FoundEmail, Reason, VisibleCopy, VisibleEmail

_BATCH = 100
_MOST_AT_ONCE = 1_000
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

    async def visible(self, user: ActiveViewer, emails: Iterable[str]) -> list[LinkDecision]:
        """Return the links, on any record, by which a user may see emails, newest first."""
        links = await self._candidates.of_emails(user, list(emails))
        return [one for one in await self._guard.decide(user, links) if one.visible]

    async def in_scope(self, user: ActiveViewer, scope: Scope) -> list[LinkDecision]:
        """Return every visible link of a scope, newest first."""
        found: list[LinkDecision] = []
        position: Position | None = None
        size = _BATCH
        while links := await self._candidates.newest(user, scope, position, size):
            found += [one for one in await self._guard.decide(user, links) if one.visible]
            position, size = scope.position(links[-1]), growing(size)
        return found

    async def lines(self, user: ActiveViewer, visible: Sequence[LinkDecision]) -> list[VisibleEmail]:
        """Return the lines of visible links, in their order."""
        keys = list({one.link.email for one in visible})
        emails = {document["_id"]: document async for document in self._emails.find({"_id": {"$in": keys}}, _HEAVY)}
        folders = await self._folders.names({row.account for one in visible for row in one.rows})
        named = {address for email in emails.values() for address in authors_of(email)}
        own = await self._colleagues.own_among(named)
        return [
            visible_email(user, one, emails[one.link.email], folders, own)
            for one in visible
            if one.link.email in emails
        ]

    async def found(self, user: ActiveViewer, visible: Sequence[LinkDecision]) -> list[FoundEmail]:
        """Return each visible email once, with the records on which it is visible, in the order of the first links."""
        first: dict[str, VisibleEmail] = {}
        records: dict[str, list[RecordRef]] = {}
        for line in await self.lines(user, visible):
            first.setdefault(line.email, line)
            records.setdefault(line.email, []).append(line.record)
        return [FoundEmail(line=line, records=tuple(records[email])) for email, line in first.items()]


def growing(size: int) -> int:
    """Return the size of the next batch of links.

    Whether a mail's thread counts depends on what it answers, so that each batch looks at the older mail of its threads: with
    batches of one size, a long thread would be read as many times as it has batches.
    """
    return min(2 * size, _MOST_AT_ONCE)


def visible_email(
    viewer: ActiveViewer,
    decision: LinkDecision,
    email: Mapping[str, Any],
    folders: Mapping[tuple[str, str], str],
    own_addresses: Collection[str],
) -> VisibleEmail:
    """Return the line of an email that the rule lets the viewer see. ``email`` is its document; it needs no body texts."""
    link: Link = decision.link
    copies = sorted(
        (
            VisibleCopy(
                owner=account.holder_name,
                account=account.id,
                address=account.address,
                folder=folders.get((account.id, row.folder), ""),
                flags=row.flags,
                labels=row.labels,
                own=account.owner in viewer.owners,
                defects=row.defects if account.owner in viewer.owners else (),
            )
            for row, account in decision.known_copies(viewer)
        ),
        key=lambda copy: not copy.own,
    )
    granted = {(line.match.address, line.match.role): None for line in decision.granting}
    participants = tuple(Participant.model_validate(one) for one in email.get("participants", ()))
    own_bcc = [address for row, account in decision.copies() if account.owner in viewer.owners for address in row.bcc]
    return VisibleEmail(
        email=link.email,
        record=link.record,
        sent_at=link.sent_at,
        thread=link.thread,
        subject=email["subject"],
        snippet=email["snippet"],
        direction=direction(authors_of(email), [role.value for _, role in granted], own_addresses),
        participants=participants,
        bcc=tuple(dict.fromkeys(own_bcc)),
        attachments=tuple(Attachment.model_validate(one) for one in email.get("attachments", ())),
        marks=shown_marks(Classification.model_validate(email.get("marks", {}))),
        reasons=tuple(Reason(address=address, role=role) for address, role in granted),
        copies=tuple(copies),
        holders=tuple(dict.fromkeys(copy.owner for copy in copies)),
        flags=copies[0].flags if copies else (),
        folder=copies[0].folder if copies else "",
        message_id=email.get("message_id"),
        date=email.get("date"),
    )


def shown_marks(marks: Classification) -> Classification:
    """Return marks without ``defects``, which say how one copy was encoded on its way. Its owner sees them with the copy."""
    return marks.model_copy(update={"defects": ()})


def folded(lines: Iterable[VisibleEmail]) -> list[VisibleEmail]:
    """Return visible lines with one for emails that are one mail to a person: same Message-ID, sender and date.

    They differ by a list's footer, a gateway's mark, or a spelling of names. The viewer's own one comes first.
    """
    groups: dict[object, list[VisibleEmail]] = {}
    for line in lines:
        senders = frozenset(one.address for one in line.participants if one.role is Role.FROM)
        named = line.message_id and line.date and senders
        groups.setdefault((line.message_id, line.date, senders) if named else line.email, []).append(line)
    return [_one_line(several) for several in groups.values()]


def _one_line(several: list[VisibleEmail]) -> VisibleEmail:
    first, *others = sorted(several, key=lambda one: not any(copy.own for copy in one.copies))
    copies = sorted((copy for one in (first, *others) for copy in one.copies), key=lambda copy: not copy.own)
    holders = tuple(dict.fromkeys(copy.owner for copy in copies))
    also = tuple(one.email for one in others)
    return first.model_copy(update={"copies": tuple(copies), "holders": holders, "also": also})
