"""Emails by the start of their id, as users type it."""

from __future__ import annotations

from services.store.access.candidates import Candidates
from services.store.access.guard import Guard
from services.store.core.errors import NotFoundError

_BATCH = 100


class EmailIds:
    """Completes ids among the mail that the viewer may see. Other mail has no effect on the result."""

    def __init__(self, guard: Guard, candidates: Candidates) -> None:
        self._guard = guard
        self._candidates = candidates

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
