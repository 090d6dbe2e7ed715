"""Codes that are sent to an address, so that a user who reads its mail can prove it.

The database holds only hashes of codes. MongoDB removes expired ones.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import timedelta

from schemas.accounts import Account, ProofKind
from schemas.ledger import RowState
from schemas.raw_mail import is_list_mail_of
from services.store.core.address_proofs import AddressProofs
from services.store.core.audit import Audit
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now
from services.store.core.errors import NotAllowedError, NotFoundError
from services.store.core.fence import MongoSession
from services.store.mail.blobs import Blobs

_LOOKED_AT = 100
MOST_TRIES = 5
"""How many codes may be entered for an account before those that were sent end."""


class AddressCodes:
    """Documents of ``address_codes``: at most one for each address that an account claims."""

    def __init__(self, collections: Collections, *, address_proofs: AddressProofs, blobs: Blobs, audit: Audit) -> None:
        self._codes = collections.address_codes
        self._emails = collections.emails
        self._ledger = collections.ledger
        self._blobs = blobs
        self._proofs = address_proofs
        self._audit = audit

    async def is_list(self, account: str, address: str) -> bool:
        """Whether the mail that an account holds says that an address is a list's, so that others read what is sent to it.

        Looks at the newest copies of the account only: what others hold must not show.
        """
        query: Doc = {"participants.address": address, "marks.mailing_list": True}
        keys = [one["_id"] async for one in self._emails.find(query, {"_id": 1}).sort("sent_at", -1).limit(_LOOKED_AT)]
        copies: Doc = {"email": {"$in": keys}, "account": account, "state": RowState.ATTACHED.value}
        heads = {row["head"] async for row in self._ledger.find(copies, {"head": 1}) if "head" in row}
        for head in heads:
            with suppress(NotFoundError):  # the copy was deleted meanwhile
                if is_list_mail_of(await self._blobs.get(head), address):
                    return True
        return False

    async def offer(self, account: str, address: str, code: str, *, lasts: timedelta, by: str) -> None:
        """Store a code that is about to be sent to an address. An earlier one for the address ends."""
        fields: Doc = {"account": account, "address": address, "hash": _hash(account, code)}
        document = {**fields, "until": now() + lasts, "tries": 0}

        async def write(session: MongoSession) -> None:
            await self._codes.replace_one({"_id": f"{account}/{address}"}, document, upsert=True, session=session)
            await self._audit.add("account.code", by=by, subject=f"account:{account}", session=session, address=address)

        await self._audit.transaction(write)

    async def enter(self, account: str, code: str, *, by: str) -> tuple[Account, str]:
        """Use up a code: the address that it was sent to is the account's own. Returns the account and the address.

        Raises:
            NotAllowedError: no such code was sent for this account, it has expired, or too many others were entered since.
            NotFoundError: there is no such account, or it is disconnected.
            AlreadyExistsError: the address is another user's, or another account has proven it at least as well.
        """
        pending: Doc = {"account": account, "until": {"$gt": now()}}
        # Counted before it is compared, so that guesses at the same time cannot exceed the limit.
        await self._codes.update_many(pending, {"$inc": {"tries": 1}})
        wanted = {**pending, "hash": _hash(account, code), "tries": {"$lte": MOST_TRIES}}
        found = await self._codes.find_one_and_delete(wanted)
        if found is None:
            raise NotAllowedError("this code is wrong or no longer valid: request another one")
        proven = await self._proofs.prove(account, found["address"], ProofKind.CODE, by=by)
        return proven, found["address"]


def _hash(account: str, code: str) -> str:
    typed = "".join(char for char in code.upper() if char.isalnum())
    return hashlib.sha256(f"{account}/{typed}".encode()).hexdigest()
