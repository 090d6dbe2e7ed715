"""Emails by the start of their id, as users type it."""

from __future__ import annotations

from schemas.accounts import User
from schemas.emails import Link
from services.store.access.guard import Guard, prefilter
from services.store.core.collections import Collections
from services.store.core.documents import Doc, decode
from services.store.core.errors import NotFoundError

_BATCH = 100


class EmailIds:
    """Completes ids among the mail that the viewer may see. Other mail has no effect on the result."""

    def __init__(self, collections: Collections, guard: Guard) -> None:
        self._links = collections.links
        self._guard = guard

    async def full_key(self, viewer: str, start: str) -> str:
        """Return the id of the one email that begins with ``start`` among those that the viewer may see.

        Raises:
            NotFoundError: there is no such user, or none or several of the visible emails begin so.
        """
        user = await self._guard.viewer(viewer)
        found: set[str] = set()
        links = await self._starting(user, start, None) if start else []
        while links and len(found) <= 1:
            found |= {one.link.email for one in await self._guard.decide(user, links) if one.visible}
            links = await self._starting(user, start, links[-1].email)
        if len(found) > 1:
            raise NotFoundError(f"several emails begin with {start}: give more of the id")
        if not found:
            raise NotFoundError(f"there is no email {start}")
        return found.pop()

    async def _starting(self, user: User, start: str, after: str | None) -> list[Link]:
        """Return every link of the next batch of emails after ``after`` that the user may possibly see."""
        bounds = {"$gte": start, "$lt": f"{start}\uffff"} if after is None else {"$gt": after, "$lt": f"{start}\uffff"}
        query: Doc = {"email": bounds, **prefilter(user)}
        keys = [one["email"] async for one in self._links.find(query, {"email": 1}).sort("email", 1).limit(_BATCH)]
        found = self._links.find({"email": {"$in": keys}}).sort("email", 1)
        return [decode(Link, document) async for document in found]
