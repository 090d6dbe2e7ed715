"""Further addresses of an account's owner: senders in their own Sent folder, offered for the owner to confirm."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from schemas.accounts import Account
from schemas.base import Contract
from schemas.identity import copies_of_folder
from schemas.ledger import RowState
from services.store.access.rights import RecordRights
from services.store.access.teams import Teams, asker
from services.store.access.users import Users
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.documents import Doc
from services.store.crm.record_addresses import RecordAddresses
from services.store.ledger.folders import Folders
from services.store.readers.visible_lines import VisibleLines

_LOOK_AT = 5000
_AT_ONCE = 500
_UIDVALIDITIES = 9_999_999_999


class AliasCandidate(Contract):
    """An address that may also belong to an account's owner."""

    address: str
    """The address."""
    emails: int
    """Number of emails in Sent folders with this sender."""
    newest: datetime
    """When the newest of them was sent."""


class Aliases:
    """Finds candidates. A mailbox's content does not prove who its owner is: the owner claims one, and proves it."""

    def __init__(
        self,
        collections: Collections,
        *,
        users: Users,
        teams: Teams,
        lines: VisibleLines,
        rights: RecordRights,
        colleagues: Colleagues,
        folders: Folders,
        record_addresses: RecordAddresses,
    ) -> None:
        self._users = users
        self._teams = teams
        self._lines = lines
        self._rights = rights
        self._ledger = collections.ledger
        self._emails = collections.emails
        self._colleagues = colleagues
        self._folders = folders
        self._record_addresses = record_addresses

    async def candidates(self, account: Account, *, by: str | None = None) -> list[AliasCandidate]:
        """Return the senders of stored mail in an account's Sent folders that belong to no one yet, most used first.

        The answer omits addresses of colleagues, and of leads and contacts that the owner may read: if one of another record
        were missing, that would reveal the record. It covers those of the newest few thousand mails that the owner sees; of a shared
        mailbox, the member who asks (``by``, or else the first one).
        """
        owner = await self._teams.viewer(await self._users.get(asker(account, by)))
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
            visible = list({one.link.email for one in await self._lines.visible(owner, part)})
            fields = {"participants": 1, "sent_at": 1}
            query = {"_id": {"$in": visible}, "marks.ambiguous_from": {"$ne": True}}
            async for email in self._emails.find(query, fields):
                for person in email["participants"]:
                    if person["role"] == "from":
                        seen.setdefault(person["address"], []).append(email["sent_at"])
        records = await self._record_addresses.known(seen)
        readable = await self._rights.readable(owner.email, {ref for refs in records.values() for ref in refs})
        taken = {address for address, refs in records.items() if not readable.isdisjoint(refs)}
        taken |= await self._colleagues.own_among(seen)
        taken |= account.claims
        candidates = [
            AliasCandidate(address=address, emails=len(moments), newest=max(moments))
            for address, moments in seen.items()
            if address not in taken
        ]
        return sorted(candidates, key=lambda one: (-one.emails, one.address))
