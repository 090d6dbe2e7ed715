"""A mailbox gets another owner: its copies, what is kept private, and its links follow."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain
from typing import Literal

from schemas.accounts import Account, AddressProof, ProofKind
from schemas.identity import is_team
from services.store.access.withdrawals import Withdrawals
from services.store.admin.sharing import Sharing
from services.store.core.audit import Audit
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.documents import CHANGED, CONNECTED, Doc, now, plain
from services.store.core.errors import ChangedMeanwhileError
from services.store.core.fence import MongoSession
from services.store.core.pending_work import PendingWork
from services.store.ledger.ledger import Ledger
from services.store.ledger.ledger_rows import account_range

_AT_ONCE = 500


class Handover:
    """Who was the owner sees nothing from the moment that the new one is stored; links follow."""

    def __init__(
        self,
        collections: Collections,
        *,
        ledger: Ledger,
        withdrawals: Withdrawals,
        pending_work: PendingWork,
        sharing: Sharing,
        colleagues: Colleagues,
        audit: Audit,
    ) -> None:
        self._c = collections
        self._colleagues = colleagues
        self._ledger = ledger
        self._withdrawals = withdrawals
        self._pending = pending_work
        self._sharing = sharing
        self._audit = audit

    async def hand_over(
        self,
        account: Account,
        owner: str,
        members: Collection[str] = (),
        *,
        action: Literal["account.transfer", "account.share", "account.own"],
        by: str,
    ) -> None:
        """Give an account to another owner. What hangs on its owner (own copies, threads) is the matcher's to work out again.

        Args:
            account: the account.
            owner: a user, or the account's team.
            members: the users of the team that it belongs to from now on.
            action: the entry in the audit log.
            by: who does it.

        Raises:
            NotFoundError: one of the new holders is no active user.
            ChangedMeanwhileError: the account has got another owner, or other members, in the meantime.
        """
        parts = [part async for part in self._ledger.attached_emails(account_range(account.id), batch=_AT_ONCE)]
        kept = await self._withdrawals.targets(account.owner)
        covered = {"owners": owner, "$or": [{name: {"$in": kept}} for name in ("email", "ids", "thread")]}
        own = await self._c.links.distinct("email", covered)  # the new owner's own copies become private, too
        parts += [own] if own else []
        for part in parts:  # stays enqueued: the attestations of threads are the matcher's to compute
            await self._pending.enqueue(emails=part)
        await self._withdrawals.hand_over(account.owner, owner)
        aliases, proofs = [*account.aliases], [*account.proofs]
        theirs = [{"_id": account.id}, {"state": CONNECTED}]
        proven = await self._c.accounts.find_one({"proofs.address": account.owner, "$or": theirs})
        if is_team(owner):
            # It stays the former owner's, who is a user: other members' mail must not count as theirs.
            aliases = [one for one in aliases if one != account.owner]
            proofs = [one for one in proofs if one.address != account.owner]
        elif account.owner in account.claims and proven is None:
            # It counted because it named its owner; it must not cease to be a colleague's.
            proofs.append(AddressProof(address=account.owner, how=ProofKind.USER, by=by, at=now()))
        handed: Doc = {"owner": owner, "members": sorted(members), "aliases": aliases, "proofs": plain(proofs)}
        handed["relink"] = now()
        subject = f"account:{account.id}"
        change: Doc = {"before": list(account.members) if account.shared else account.owner}
        change["after"] = sorted(members) or owner

        async def write(session: MongoSession) -> None:
            await self._colleagues.require_active(members or [owner], session)
            await self._colleagues.hold(
                account.holders, session
            )  # what they keep private at this moment comes before or after
            same: Doc = {"_id": account.id, "owner": account.owner}
            same |= {"members": list(account.members)} if account.shared else {}
            if not (
                await self._c.accounts.update_one(same, {"$set": handed, **CHANGED}, session=session)
            ).matched_count:
                raise ChangedMeanwhileError(
                    f"{account.address} has got another owner or other members meanwhile: look at it and try again"
                )
            await self._withdrawals.hand_over(account.owner, owner, session=session)  # what was kept private meanwhile
            await self._audit.add(action, by=by, subject=subject, session=session, **change)

        await self._audit.transaction(write)
        await self._sharing.recompute(chain.from_iterable(parts))
