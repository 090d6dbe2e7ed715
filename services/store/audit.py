"""The audit log: who changed what; entries are only ever added."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from schemas.base import Contract
from services.store.collections import Collections
from services.store.documents import Doc, now, plain


class AuditEntry(Contract):
    """One change."""

    action: str
    """Stable code, e.g. ``account.sharing``."""
    by: str
    """The user, or ``operator``."""
    subject: str
    """What was changed, e.g. ``account:<id>``."""
    at: datetime
    details: dict[str, Any] = Field(default_factory=dict)


class Audit:
    """Documents of ``audit``."""

    def __init__(self, collections: Collections) -> None:
        self._audit = collections.audit

    async def add(self, action: str, *, by: str, subject: str, **details: Any) -> None:
        """Add an entry; ``details`` must hold no secret and nothing out of a mail."""
        entry: Doc = {"action": action, "by": by, "subject": subject, "at": now(), "details": plain(details)}
        await self._audit.insert_one(entry)

    async def list(self, *, subject: str | None = None, limit: int = 100) -> list[AuditEntry]:
        """Return the newest entries, newest first."""
        found = (
            self._audit.find({} if subject is None else {"subject": subject})
            .sort([("at", -1), ("_id", -1)])
            .limit(limit)
        )
        return [AuditEntry.model_validate(document) async for document in found]
