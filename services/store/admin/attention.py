"""One mail per incident to the owner of a blocked account, claimed by compare-and-set."""

from __future__ import annotations

from datetime import timedelta

from schemas.accounts import Account, AccountState
from services.store.core.collections import Collections
from services.store.core.documents import decode

_UNSENT = {"$lt": ["$attention_sent", "$incident"]}


class Attention:
    """Hands out the mails that owners need to get about their accounts."""

    def __init__(self, collections: Collections) -> None:
        self._accounts = collections.accounts

    async def claim(self, account: str, incident: int, *, stale: timedelta) -> Account | None:
        """Claim the mail of an incident; None if it was sent, is being sent, or the account recovered.

        Only the newest incident needs a mail. ``stale`` is how old a dead sender's claim must be to be taken over.
        """
        query = {
            "_id": account,
            "incident": incident,
            "attention_sent": {"$lt": incident},
            "state": AccountState.BLOCKED.value,
        }
        free = {
            "$or": [
                {"$ne": [{"$ifNull": ["$attention_claim.incident", 0]}, incident]},
                {"$lt": ["$attention_claim.at", {"$subtract": ["$$NOW", _milliseconds(stale)]}]},
            ]
        }
        claim = [{"$set": {"attention_claim": {"incident": incident, "at": "$$NOW"}}}]
        document = await self._accounts.find_one_and_update({**query, "$expr": free}, claim)
        return None if document is None else decode(Account, document)

    async def sent(self, account: str, incident: int) -> None:
        """Note that the mail of an incident was sent."""
        await self._accounts.update_one({"_id": account}, {"$max": {"attention_sent": incident}})

    async def renew(self, account: str, incident: int) -> None:
        """Extend a claim while sending takes long."""
        claimed = {"_id": account, "attention_claim.incident": incident}
        await self._accounts.update_one(claimed, [{"$set": {"attention_claim.at": "$$NOW"}}])

    async def release(self, account: str, incident: int) -> None:
        """Release a claim after sending failed, so that it is tried again."""
        await self._accounts.update_one(
            {"_id": account, "attention_claim.incident": incident}, {"$unset": {"attention_claim": ""}}
        )

    async def postpone(self, account: str, incident: int, *, stale: timedelta, delay: timedelta) -> None:
        """Keep a claim so that a call with the same ``stale`` can take it over only after ``delay``."""
        until = {"$add": ["$$NOW", _milliseconds(delay - stale)]}
        claimed = {"_id": account, "attention_claim.incident": incident}
        await self._accounts.update_one(claimed, [{"$set": {"attention_claim.at": until}}])

    async def due(self, *, limit: int = 100) -> list[tuple[str, int, str]]:
        """Return (account, incident, reason) of blocked accounts whose owner was not notified. This also covers lost events."""
        query = {"state": AccountState.BLOCKED.value, "$expr": _UNSENT}
        found = self._accounts.find(query, {"incident": 1, "reason": 1}).limit(limit)
        return [(document["_id"], document["incident"], document["reason"] or "") async for document in found]


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
