"""Which account an address belongs to: proofs are recorded here, and nowhere else."""

from __future__ import annotations

from pymongo.errors import DuplicateKeyError

from schemas.accounts import Account, AddressProof, ProofKind, ServerAddress
from services.store.core.audit import Audit
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.documents import CHANGED, CONNECTED, Doc, decode, now, plain
from services.store.core.errors import AlreadyExistsError, NotFoundError
from services.store.core.fence import Fence, MongoSession

_SIGN_INS = (ProofKind.SIGN_IN, ProofKind.OAUTH)
_BY_LOGIN = (ProofKind.SIGN_IN, ProofKind.OAUTH, ProofKind.CODE)
"""Proofs by what opens a mailbox, or arrives in it: they say nothing of another mailbox."""


class AddressProofs:
    """Field ``proofs`` of the accounts."""

    def __init__(self, collections: Collections, *, fence: Fence, colleagues: Colleagues, audit: Audit) -> None:
        self._accounts = collections.accounts
        self._users = collections.users
        self._fence = fence
        self._colleagues = colleagues
        self._audit = audit

    async def prove(self, account: str, address: str, how: ProofKind, *, by: str) -> Account:
        """Record that an address is an account's own, and enqueue what follows from it. A new address becomes an alias.

        Of two proofs of an account, the stronger one stays. A stronger proof takes the address from the connected account that
        has it so far: there it stays as an unproven claim.

        Raises:
            NotFoundError: there is no such account, or it is disconnected.
            AlreadyExistsError: the address is another user's, another account has proven it at least as well, or it is a shared
                mailbox's and this is no sign-in: each member could read a code there.
        """
        proof = AddressProof(address=address, how=how, by=by, at=now())
        async with self._colleagues.changing({address}):
            try:
                return await self._fence.transaction(lambda session: self._write(account, proof, session))
            except DuplicateKeyError:
                raise AlreadyExistsError(f"{address} already belongs to another mailbox") from None

    async def is_another_users(self, address: str, user: str) -> bool:
        """Whether an address names another user of the CRM. Only that user's mailboxes can prove it."""
        return address != user and await self._users.find_one({"_id": address}, {"_id": 1}) is not None

    async def is_anothers(self, address: str, owner: str) -> bool:
        """Whether an address is that of another user, or of a mailbox that is connected for another owner."""
        theirs: list[Doc] = [{"address": address}, {"proofs.address": address}]
        mailbox: Doc = {"owner": {"$ne": owner}, "state": CONNECTED, "$or": theirs}
        if await self.is_another_users(address, owner):
            return True
        return await self._accounts.find_one(mailbox, {"_id": 1}) is not None

    async def login_changes(self, account: str, incoming: ServerAddress, session: MongoSession) -> None:
        """Weaken what an account's login proves if another login is about to replace it, in the caller's transaction.

        The addresses stay the account's, because mail of a colleague would open otherwise. Any proof of another account takes them.
        """
        other = [{f"incoming.{name}": {"$ne": getattr(incoming, name)}} for name in ("host", "username")]
        weaker: Doc = {"$set": {"proofs.$[login].how": ProofKind.EARLIER.value}, **CHANGED}
        by_login: list[Doc] = [{"login.how": {"$in": [kind.value for kind in _BY_LOGIN]}}]
        query: Doc = {"_id": account, "proofs.0": {"$exists": True}, "$or": other}
        await self._accounts.update_one(query, weaker, array_filters=by_login, session=session)

    async def unproven(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the connected accounts that claim addresses which nothing proves, each with these addresses, sorted."""
        claims = {"$setUnion": [["$address"], "$aliases"]}
        own = {"$setUnion": [["$owner"], {"$ifNull": ["$proofs.address", []]}]}
        pipeline: list[Doc] = [
            {"$match": {"state": CONNECTED}},
            {"$project": {"address": 1, "unproven": {"$setDifference": [claims, own]}}},
            {"$match": {"unproven.0": {"$exists": True}}},
            {"$sort": {"address": 1}},
        ]
        found = await self._accounts.aggregate(pipeline)
        return [(one["address"], tuple(sorted(one["unproven"]))) async for one in found]

    async def _write(self, account: str, proof: AddressProof, session: MongoSession) -> Account:
        address = proof.address
        document = await self._accounts.find_one({"_id": account, "state": CONNECTED}, session=session)
        if document is None:
            raise NotFoundError(f"there is no connected account {account}")
        before = decode(Account, document)
        if address != before.owner and await self._users.find_one({"_id": address}, session=session) is not None:
            raise AlreadyExistsError(f"{address} is the address of another user")
        if any(one.address == address and not proof.how.outranks(one.how) for one in before.proofs):
            return before
        if proof.how not in _SIGN_INS and await self._accounts.find_one(_team_of(account, address), session=session):
            raise AlreadyExistsError(f"{address} belongs to a shared mailbox")
        for loser in await self._take_from_others(account, proof, session):
            await self._audit.add(
                "account.proof-lost",
                by=proof.by,
                subject=f"account:{loser}",
                session=session,
                address=address,
                to=account,
            )
        fields: Doc = {
            "proofs": plain([*(one for one in before.proofs if one.address != address), proof]),
            "aliases": sorted({*before.aliases, address} - {before.address}),
            "relink": now(),
        }
        await self._accounts.update_one({"_id": account}, {"$set": fields, **CHANGED}, session=session)
        await self._audit.add(
            "account.proof", by=proof.by, subject=f"account:{account}", session=session, address=address, how=proof.how
        )
        return decode(Account, {**document, **fields})

    async def _take_from_others(self, account: str, proof: AddressProof, session: MongoSession) -> list[str]:
        others: Doc = {"_id": {"$ne": account}, "proofs.address": proof.address, "state": CONNECTED}
        found = [decode(Account, one) async for one in self._accounts.find(others, session=session)]
        for other in found:
            if any(one.address == proof.address and not proof.how.outranks(one.how) for one in other.proofs):
                raise AlreadyExistsError(f"{proof.address} already belongs to another mailbox")
        lost: Doc = {"$pull": {"proofs": {"address": proof.address}}, "$set": {"relink": now()}, **CHANGED}
        for other in found:
            await self._accounts.update_one({"_id": other.id}, lost, session=session)
        return [other.id for other in found]


def _team_of(account: str, address: str) -> Doc:
    """Return the query for a connected shared mailbox that claims an address, other than this account."""
    claimed: list[Doc] = [{"address": address}, {"aliases": address}]
    return {"_id": {"$ne": account}, "members.0": {"$exists": True}, "state": CONNECTED, "$or": claimed}
