"""Sign-ins at other services that a browser has started: what is needed when it comes back. Each is used once, by its own session.

The database holds only hashes of tokens and sessions, and MongoDB removes expired documents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from services.store.core.collections import Collections
from services.store.core.documents import now, plain
from services.store.core.errors import NotFoundError


class PendingSignIns:
    """Documents of ``pending_sign_ins``."""

    def __init__(self, collections: Collections) -> None:
        self._pending = collections.pending_sign_ins

    async def offer(self, token: str, session: str, details: Mapping[str, Any], *, lasts: timedelta) -> None:
        """Keep what a session needs when it comes back with a token."""
        kept = {"_id": _hash(token), "session": _hash(session), "details": plain(dict(details)), "until": now() + lasts}
        await self._pending.insert_one(kept)

    async def take(self, token: str, session: str) -> dict[str, Any]:
        """Return what was kept, and use it up. Of several concurrent calls, one succeeds.

        Raises:
            NotFoundError: there is no such token of this session, or it has expired or was used.
        """
        query = {"_id": _hash(token), "session": _hash(session), "until": {"$gt": now()}}
        document = await self._pending.find_one_and_delete(query)
        if document is None:
            raise NotFoundError("there is no such sign-in")
        details: dict[str, Any] = document["details"]
        return details


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
