"""Names that begin with a text, for the shell: addresses of accounts, users and records. For operators, who may list all of them."""

from __future__ import annotations

import re

from services.store.core.collections import Collections
from services.store.core.documents import Doc, Documents

_MOST = 50
"""A shell shows no more at once."""


class NameCompletion:
    """Reads a few entries of indexes, however many there are."""

    def __init__(self, collections: Collections) -> None:
        self._c = collections

    async def accounts(self, start: str) -> list[str]:
        """Return addresses of accounts."""
        return await _starting(self._c.accounts, "address", start)

    async def users(self, start: str) -> list[str]:
        """Return addresses of users."""
        return await _starting(self._c.users, "_id", start)

    async def records(self, start: str) -> list[str]:
        """Return addresses of leads and contacts."""
        return await _starting(self._c.addresses, "address", start)


async def _starting(documents: Documents, field: str, start: str) -> list[str]:
    query: Doc = {field: {"$regex": f"^{re.escape(start.lower())}"}}
    found = documents.find(query, {"_id": 0, field: 1} if field != "_id" else {"_id": 1}).sort(field, 1).limit(_MOST)
    return list(dict.fromkeys([document[field] async for document in found]))
