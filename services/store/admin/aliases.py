"""Further addresses of an account's owner: senders in their own Sent folder, offered for the owner to confirm."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from schemas.accounts import Account
from schemas.base import Contract
from schemas.identity import copies_of_folder
from schemas.ledger import RowState
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.documents import Doc
from services.store.crm.record_addresses import RecordAddresses
from services.store.sync.folders import Folders

_LOOK_AT = 5000
_AT_ONCE = 500
_UIDVALIDITIES = 9_999_999_999


class AliasCandidate(Contract):
    """An address that may also be the owner's."""

    address: str
    emails: int
    """How many stored mails of the Sent folders it sent."""
    newest: datetime
    """When the newest of them was sent."""


class Aliases:
    """Finds candidates. A mailbox's content does not prove who its owner is, so only ``accounts.save_aliases`` makes one an alias."""

    def __init__(
        self, collections: Collections, *, colleagues: Colleagues, folders: Folders, record_addresses: RecordAddresses
    ) -> None:
        self._ledger = collections.ledger
        self._emails = collections.emails
        self._colleagues = colleagues
        self._folders = folders
        self._record_addresses = record_addresses

    async def candidates(self, account: Account) -> list[AliasCandidate]:
        """Return the senders of stored mail in an account's Sent folders that belong to no one yet, most used first.

        The answer omits addresses of colleagues, leads and contacts. It covers the newest few thousand mails.
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
        taken = {*await self._colleagues.own_among(seen), *await self._record_addresses.known(seen)}
        candidates = [
            AliasCandidate(address=address, emails=len(moments), newest=max(moments))
            for address, moments in seen.items()
            if address not in taken
        ]
        return sorted(candidates, key=lambda one: (-one.emails, one.address))
