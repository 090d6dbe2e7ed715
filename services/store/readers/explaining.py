"""Why a user sees an email, or does not: for users about themselves, for administrators about anyone."""

from __future__ import annotations

from typing import Any

from schemas.emails import Link
from schemas.identity import link_id
from schemas.mail import Role
from schemas.records import RecordRef
from schemas.sharing import CopyDecision
from services.store.access.guard import Guard, LinkDecision, redacted
from services.store.access.teams import ActiveViewer
from services.store.core.audit import OPERATOR, Audit
from services.store.core.collections import Collections
from services.store.core.documents import decode
from services.store.core.errors import NotAllowedError
from services.store.mail.emails import Emails
from services.store.readers.views import Explanation, Obstacle


class Explaining:
    """Says which copy, rule and domain decided."""

    def __init__(self, collections: Collections, guard: Guard, emails: Emails, audit: Audit) -> None:
        self._links = collections.links
        self._guard = guard
        self._emails = emails
        self._audit = audit

    async def explain(self, viewer: str, record: RecordRef, email: str, *, asked_by: str | None) -> Explanation:
        """Explain why a viewer sees an email on a record, or why not.

        Administrators, and the operator at the machine (``asked_by`` None), may ask about any user and get the lines of all
        holders whom the email names. A user may ask about themselves. They get the lines of their own copies and, of such
        holders, those that grant: a line that refuses would reveal that another user holds a copy. Only the copy's owner
        learns of a Bcc and of a link that comes from one, and of a copy that the email does not explain.

        Raises:
            NotFoundError: one of the users does not exist.
            NotAllowedError: a user who is not an administrator asks about another user.
        """
        user = await self._guard.viewer(viewer)
        asker = None if asked_by is None else await self._guard.viewer(asked_by)
        own, everything = (asker.email if asker else "", asker is None or asker.admin)
        owners = asker.owners if asker else frozenset[str]()
        if not everything and own != user.email:
            raise NotAllowedError("only administrators may ask what another user sees")
        if own != user.email:
            asked: dict[str, Any] = {"viewer": user.email, "record": str(record)}
            await self._audit.add("explain", by=own or OPERATOR, subject=f"email:{email}", **asked)

        def may_know(line: CopyDecision, named: frozenset[str]) -> bool:
            if line.copy_of.owner in owners:
                return True
            if line.match.role is Role.BCC or line.copy_of.account not in named:
                return False
            return everything or line.decision.verdict.grants

        document = await self._links.find_one({"_id": link_id(record.kind, record.id, email)})
        decisions = await self._guard.decide(user, [decode(Link, document)]) if document else []
        lines = [line for one in decisions for line in one.lines]
        shown = tuple(
            _named(redacted(line, owners), one) for one in decisions for line in one.lines if may_know(line, one.named)
        )
        unclear = everything and not shown
        return Explanation(
            viewer=user.email,
            record=record,
            email=email,
            visible=any(one.visible for one in decisions),
            lines=shown,
            obstacle=await self._obstacle(user, record, email, linked=bool(document), lines=lines) if unclear else None,
        )

    async def _obstacle(
        self, user: ActiveViewer, record: RecordRef, email: str, *, linked: bool, lines: list[CopyDecision]
    ) -> Obstacle:
        """Return why there is no line about an email on a record."""
        if lines:
            by_bcc = all(line.match.role is Role.BCC for line in lines)
            return Obstacle.BCC if by_bcc else Obstacle.HOLDER_NOT_NAMED
        if await self._emails.tombstones([email]):
            return Obstacle.DELETED
        if not await self._emails.existing([email]):
            return Obstacle.NOT_STORED
        if not linked:
            return Obstacle.NOT_ON_RECORD
        return Obstacle.NO_COPY if await self._guard.may_read(user, record) else Obstacle.RECORD_NOT_READABLE


def _named(line: CopyDecision, of: LinkDecision) -> CopyDecision:
    """Return a line that says whose copy it is as readers are told."""
    copy = line.copy_of
    return line.model_copy(update={"copy_of": copy.model_copy(update={"owner": of.accounts[copy.account].holder_name})})
