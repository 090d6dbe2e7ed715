"""Further addresses of an account's owner: seen as the sender in his own Sent folder, offered, and his to confirm."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from schemas.accounts import Account
from schemas.base import Contract
from schemas.identity import copies_of_folder
from schemas.ledger import RowState
from services.store.core.collections import Collections
from services.store.core.documents import Doc
from services.store.crm.records import Records
from services.store.sync.accounts import Accounts
from services.store.sync.folders import Folders

_LOOK_AT = 5000
_AT_ONCE = 500
_UIDVALIDITIES = 9_999_999_999


class AliasCandidate(Contract):
    """An address that is perhaps the owner's, too."""

    address: str
    emails: int
    """How many stored mails of the Sent folders it is the sender of."""
    newest: datetime
    """When the newest of them was sent."""


class Aliases:
    """Finds candidates. What is in a mailbox proves nothing of who its owner is: only ``accounts.save_aliases`` makes one an alias."""

    def __init__(self, collections: Collections, *, accounts: Accounts, folders: Folders, records: Records) -> None:
        self._ledger = collections.ledger
        self._emails = collections.emails
        self._accounts = accounts
        self._folders = folders
        self._records = records

    async def candidates(self, account: Account) -> list[AliasCandidate]:
        """Return the senders of stored mail in an account's Sent folders that are nobody's yet, the most used first.

        Left out are colleagues' addresses and those of leads and contacts. The newest few thousand mails are looked at.
        """
        sent = [folder.id for folder in await self._folders.of(account.id) if folder.role == "sent"]
        keys: dict[str, None] = {}
        for folder in sent:
            lowest, highest = (
                copies_of_folder(account.id, folder, 0)[0],
                copies_of_folder(account.id, folder, _UIDVALIDITIES)[1],
            )
            query: Doc = {"_id": {"$gte": lowest, "$lte": highest}, "state": RowState.ATTACHED.value}
            found = self._ledger.find(query, {"email": 1}).sort("_id", -1).limit(_LOOK_AT)
            keys |= {document["email"]: None async for document in found}
        seen: dict[str, list[datetime]] = {}
        rest = iter(keys)
        while part := list(islice(rest, _AT_ONCE)):
            fields = {"participants": 1, "sent_at": 1}
            query = {"_id": {"$in": part}, "marks.ambiguous_from": {"$ne": True}}
            async for email in self._emails.find(query, fields):
                for person in email["participants"]:
                    if person["role"] == "from":
                        seen.setdefault(person["address"], []).append(email["sent_at"])
        taken = {*await self._accounts.own_among(seen), *await self._records.known(seen)}
        candidates = [
            AliasCandidate(address=address, emails=len(moments), newest=max(moments))
            for address, moments in seen.items()
            if address not in taken
        ]
        return sorted(candidates, key=lambda one: (-one.emails, one.address))
