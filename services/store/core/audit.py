"""The audit log: who changed what. Entries are only ever added.

A change and its entry are one transaction, so that no death in between loses the entry. A change of many steps that no
transaction can hold has its entry before its first step: then the log may name a change that was not finished.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from pydantic import Field

from schemas.base import Contract
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now, plain
from services.store.core.fence import Fence, MongoSession

T = TypeVar("T")

OPERATOR = "operator"
"""The name for anyone who uses the CLI on the machine, which asks for no password."""
_NEWEST = [("at", -1), ("_id", -1)]


class AuditEntry(Contract):
    """One change."""

    action: str
    """Stable code, for example ``account.sharing``."""
    by: str
    """The user, or ``OPERATOR``."""
    subject: str
    """What was changed, for example ``account:<id>``."""
    at: datetime
    """When it happened."""
    details: dict[str, Any] = Field(default_factory=dict)
    """What changed, depending on the action."""


class Audit:
    """Documents of ``audit``."""

    def __init__(self, collections: Collections, fence: Fence) -> None:
        self._audit = collections.audit
        self._fence = fence

    async def transaction(self, change: Callable[[MongoSession], Awaitable[T]]) -> T:
        """Run a change in one transaction with the entries that it adds by its session. A transient conflict runs it again."""
        return await self._fence.transaction(change)

    async def add(
        self, action: str, *, by: str, subject: str, session: MongoSession | None = None, **details: Any
    ) -> None:
        """Add an entry, with a session as part of its transaction. ``details`` must hold no secret and nothing from a mail."""
        entry: Doc = {"action": action, "by": by, "subject": subject, "at": now(), "details": plain(details)}
        await self._audit.insert_one(entry, session=session)

    async def newest(
        self,
        *,
        subject: str | None = None,
        by: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """Return the newest entries, newest first.

        Args:
            subject: only entries about this, for example ``account:<id>``.
            by: only entries by this user, or by ``operator``.
            action: only this action, or all that begin with it and a dot: ``account`` means every ``account.…``.
            since: only entries from this moment on.
            limit: the most entries to return.
        """
        query: Doc = {name: value for name, value in (("subject", subject), ("by", by)) if value is not None}
        if action is not None:
            query["$or"] = [{"action": action}, {"action": {"$gte": f"{action}.", "$lt": f"{action}/"}}]
        if since is not None:
            query["at"] = {"$gte": since}
        found = self._audit.find(query).sort(_NEWEST).limit(limit)
        return [AuditEntry.model_validate(document) async for document in found]

    async def about(self, *, by: str, subjects: Iterable[str]) -> list[AuditEntry]:
        """Return every entry by a user or about any of the subjects, newest first."""
        found = self._audit.find({"$or": [{"by": by}, {"subject": {"$in": list(subjects)}}]}).sort(_NEWEST)
        return [AuditEntry.model_validate(document) async for document in found]
