"""One mail per incident to the owner of an account that is blocked or has lasting trouble, claimed by compare-and-set."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from schemas.accounts import APP_ONLY, Account, AccountState
from services.store.core.collections import Collections
from services.store.core.documents import decode, now

_UNSENT = {"$lt": ["$attention_sent", "$incident"]}


class _Claims:
    """A claim in the account's document, by a number. A dead sender's claim is taken over when it is ``stale``."""

    _field: ClassVar[str]

    def __init__(self, collections: Collections) -> None:
        self._accounts = collections.accounts

    async def _claim(self, query: dict[str, Any], number: int, stale: timedelta) -> Account | None:
        free = {
            "$or": [
                {"$ne": [{"$ifNull": [f"${self._field}.incident", 0]}, number]},
                {"$lt": [f"${self._field}.at", {"$subtract": ["$$NOW", _milliseconds(stale)]}]},
            ]
        }
        claim = [{"$set": {self._field: {"incident": number, "at": "$$NOW"}}}]
        document = await self._accounts.find_one_and_update({**query, "$expr": free}, claim)
        return None if document is None else decode(Account, document)

    async def renew(self, account: str, number: int) -> None:
        """Extend a claim while sending takes long."""
        claimed = {"_id": account, f"{self._field}.incident": number}
        await self._accounts.update_one(claimed, [{"$set": {f"{self._field}.at": "$$NOW"}}])

    async def release(self, account: str, number: int) -> None:
        """Release a claim after sending failed, so that it is tried again."""
        await self._accounts.update_one(
            {"_id": account, f"{self._field}.incident": number}, {"$unset": {self._field: ""}}
        )

    async def postpone(self, account: str, number: int, *, stale: timedelta, delay: timedelta) -> None:
        """Keep a claim so that a call with the same ``stale`` can take it over only after ``delay``."""
        until = {"$add": ["$$NOW", _milliseconds(delay - stale)]}
        claimed = {"_id": account, f"{self._field}.incident": number}
        await self._accounts.update_one(claimed, [{"$set": {f"{self._field}.at": until}}])


class Attention(_Claims):
    """Hands out the mails about blocked accounts."""

    _field = "attention_claim"

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
        return await self._claim(query, incident, stale)

    async def sent(self, account: str, incident: int) -> None:
        """Note that the mail of an incident was sent."""
        await self._accounts.update_one({"_id": account}, {"$max": {"attention_sent": incident}})

    async def due(self, *, limit: int = 100) -> list[tuple[str, int, str]]:
        """Return (account, incident, reason) of blocked accounts whose owner was not notified. This also covers lost events."""
        query = {"state": AccountState.BLOCKED.value, "$expr": _UNSENT}
        found = self._accounts.find(query, {"incident": 1, "reason": 1}).limit(limit)
        return [(document["_id"], document["incident"], document["reason"] or "") async for document in found]


class TroubleMails(_Claims):
    """Hands out the mails about active accounts with lasting trouble. A trouble's number is when it started, in milliseconds."""

    _field = "trouble_claim"

    def __init__(self, collections: Collections, *, cause: str | None = None) -> None:
        super().__init__(collections)
        self._collections = collections
        self._cause = cause

    def about(self, cause: str) -> TroubleMails:
        """Return what hands out mails of which one is about all mailboxes with this trouble that Leadmail opens in its own name."""
        return TroubleMails(self._collections, cause=cause)

    async def due(self, lasting: timedelta, *, limit: int = 100) -> list[tuple[str, int]]:
        """Return (account, number) of troubles that have lasted, and whose owner was not notified."""
        query = {
            "state": AccountState.ACTIVE.value,
            "trouble.owner_told": False,
            "trouble.since": {"$lte": now() - lasting},
        }
        found = self._accounts.find(query, {"trouble.since": 1}).limit(limit)
        return [(document["_id"], trouble_number(document["trouble"]["since"])) async for document in found]

    async def claim(self, account: str, number: int, *, stale: timedelta) -> Account | None:
        """Claim the mail about a trouble; None if it was sent, is being sent, or is over."""
        query = {"_id": account, "state": AccountState.ACTIVE.value, "trouble.owner_told": False}
        claimed = await self._claim(query, number, stale)
        over = claimed is None or claimed.trouble is None or trouble_number(claimed.trouble.since) != number
        return None if over else claimed

    async def sent(self, account: str, number: int) -> None:
        """Note that the owner was notified, or the administrators of all mailboxes with the same cause (see ``about``)."""
        concerned: list[dict[str, Any]] = [{"_id": account, "trouble_claim.incident": number}]
        if self._cause is not None:
            own = {"$gte": APP_ONLY, "$lt": f"{APP_ONLY}g"}  # grants end in hex digits
            concerned.append({"state": AccountState.ACTIVE.value, "trouble.code": self._cause, "grant": own})
        query = {"$or": concerned, "trouble.owner_told": False}
        await self._accounts.update_many(query, {"$set": {"trouble.owner_told": True}})


def trouble_number(since: datetime) -> int:
    """Return the number of a trouble by its start."""
    return round(since.timestamp() * 1000)


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
