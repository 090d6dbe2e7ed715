"""Links brought up to date with live copies and present policies; policies changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from bson import ObjectId

from schemas.emails import Link
from schemas.ledger import RowState
from schemas.mail import Role
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy, SharingPolicy, Verdict
from services.store.access.copies import Copies, SharingFacts
from services.store.access.users import Company
from services.store.core.audit import Audit
from services.store.core.collections import Collections
from services.store.core.documents import now
from services.store.core.errors import NotAllowedError
from services.store.core.pending_work import PendingWork
from services.store.crm.summaries import Summaries
from services.store.mail.emails import Emails
from services.store.mail.links import Links
from services.store.mail.orphaned_emails import OrphanedEmails
from services.store.sync.accounts import Accounts
from services.store.sync.ledger_rows import account_range

_POLICIES = "policies"
_AT_ONCE = 500


def regranted(link: Link, facts: SharingFacts) -> Link:
    """Return a link as its live copies and the present policies make it. Pure.

    Without matches or owners nobody may see it: ``links.compare_and_set`` then deletes it.
    """
    bccs = {(row.account, address) for row in facts.rows.get(link.email, ()) for address in row.bcc}
    matches = tuple(
        match for match in link.matches if match.role is not Role.BCC or (match.account, match.address) in bccs
    )
    lines = facts.decide(link.model_copy(update={"matches": matches}))
    owners = {line.copy_of.owner for line in lines}
    shared = {line.copy_of.account for line in lines if line.decision.verdict is Verdict.SHARED}
    return link.model_copy(
        update={"matches": matches, "owners": tuple(sorted(owners)), "shared_by": tuple(sorted(shared))}
    )


def _same(one: Link, other: Link) -> bool:
    return (
        set(one.owners) == set(other.owners)
        and set(one.shared_by) == set(other.shared_by)
        and set(one.matches) == set(other.matches)
    )


class Sharing:
    """The one way in which grants are taken back, and in which policies change."""

    def __init__(
        self,
        collections: Collections,
        *,
        accounts: Accounts,
        company: Company,
        emails: Emails,
        links: Links,
        pending_work: PendingWork,
        copies: Copies,
        orphaned_emails: OrphanedEmails,
        summaries: Summaries,
        audit: Audit,
    ) -> None:
        self._accounts_documents = collections.accounts
        self._counters = collections.counters
        self._ledger = collections.ledger
        self._accounts = accounts
        self._company = company
        self._emails = emails
        self._links = links
        self._pending = pending_work
        self._copies = copies
        self._orphaned = orphaned_emails
        self._summaries = summaries
        self._audit = audit

    async def version(self) -> int:
        """Return the version of all policies. A matcher that finds it moved after its batch calls ``recompute`` for the batch's emails."""
        document = await self._counters.find_one({"_id": _POLICIES})
        return 0 if document is None else int(document["value"])

    async def recompute(self, keys: Iterable[str]) -> frozenset[RecordRef]:
        """Make the links of emails say what their live copies and the present policies say; emails without copies are removed.

        The links are read before the copies, and set only if they have not changed since: an addition in
        between is never lost. Summaries of the records are brought up to date. Returns the records whose links changed.
        """
        pending, touched = list(dict.fromkeys(keys)), set[RecordRef]()
        debts: list[ObjectId] = []
        while pending:
            part, pending = pending[:_AT_ONCE], pending[_AT_ONCE:]
            again, changed = await self._recompute(part, debts)
            pending += again
            touched |= changed
        await self._summaries.recompute(touched)
        await self._pending.done(debts)
        return frozenset(touched)

    async def _recompute(self, keys: Sequence[str], debts: list[ObjectId]) -> tuple[list[str], set[RecordRef]]:
        """Return the emails to look at again, and the records whose links we (perhaps) changed: a debt until their summaries follow.

        Whatever was changed is looked at again: a copy that was attached between our look and our write found its grants
        there before we took them back.
        """
        links = await self._links.of_emails(keys)
        facts = await self._copies.facts(keys)
        pairs = [(link, regranted(link, facts)) for several in links.values() for link in several]
        changes = [wanted for link, wanted in pairs if not _same(link, wanted)]
        if (
            changes
        ):  # first: whoever comes after a crash finds the links changed, and would not know whose summaries to mend
            debts.append(await self._pending.enqueue(records={link.record for link in changes}))
        # Perhaps on no record any more, and what others say of the thread is said to others now: the matcher's to see to.
        bare = {link.email for link in changes if not link.matches and link.email in facts.rows}
        bare |= {link.email for link, wanted in pairs if set(link.owners) != set(wanted.owners)} & facts.rows.keys()
        if bare:
            named = (await self._emails.briefs(bare)).values()
            await self._pending.enqueue(emails=bare, message_ids=[one.message_id for one in named if one.message_id])
        await self._links.compare_and_set_many(changes)
        again = {link.email for link in changes}
        await self._remove([key for key in keys if key not in facts.rows and key not in again])
        return list(again), {link.record for link in changes}

    async def _remove(self, unheld: list[str]) -> None:
        """Remove emails without live copies. What hangs on their threads is the matcher's to relink: it finds the debt."""
        removed = await self._emails.briefs(unheld)
        if ids := [email.message_id for email in removed.values() if email.message_id]:
            await self._pending.enqueue(message_ids=ids)
        await self._orphaned.remove(unheld)

    async def set_account(self, account: str, policy: SharingPolicy, *, by: str) -> int:
        """Change an account's policy and bring its links up to date, both ways. Returns how many emails were looked at.

        Narrowing works from the moment the policy is stored (readers check it); the rest may be finished by ``resume``.

        Raises:
            NotAllowedError: the administrator does not allow the mode.
            NotFoundError: there is no such account, or it is disconnected.
        """
        company = await self._company.policy()
        if policy.mode not in company.allowed_modes:
            allowed = ", ".join(company.allowed_modes)
            raise NotAllowedError(f"the administrator does not allow {policy.mode}: choose one of {allowed}")
        before = await self._accounts.get(account)
        await self._accounts.save_sharing(account, policy)
        await self._moved()
        await self._audit.add(
            "account.sharing", by=by, subject=f"account:{account}", before=before.sharing, after=policy
        )
        return await self._follow(account)

    async def set_company(self, policy: CompanyPolicy, *, by: str) -> int:
        """Change the administrator's policy and bring all links up to date. Returns how many emails were looked at."""
        before = await self._company.policy()
        await self._company.save(policy)
        await self._moved()
        await self._accounts_documents.update_many({}, {"$set": {"relink": now()}})
        await self._audit.add("company.sharing", by=by, subject="company", before=before, after=policy)
        return await self.resume()

    async def resume(self) -> int:
        """Bring links up to date with policies whose change was interrupted (for the sweeper). Returns how many emails were looked at."""
        pending = [
            found["_id"] async for found in self._accounts_documents.find({"relink": {"$exists": True}}, {"_id": 1})
        ]
        return sum([await self._follow(account) for account in pending])

    async def _follow(self, account: str) -> int:
        document = await self._accounts_documents.find_one({"_id": account}, {"relink": 1})
        if document is None or "relink" not in document:
            return 0
        count = 0
        async for keys in self._emails_of(account):
            await self.recompute(keys)
            count += len(keys)
        # Only if the policy has not changed again meanwhile.
        await self._accounts_documents.update_one(
            {"_id": account, "relink": document["relink"]}, {"$unset": {"relink": ""}}
        )
        return count

    async def _emails_of(self, account: str) -> AsyncIterator[list[str]]:
        part: dict[str, None] = {}
        query: dict[str, Any] = {**account_range(account), "state": RowState.ATTACHED.value}
        async for row in self._ledger.find(query, {"email": 1}).sort("_id", 1):
            part[row["email"]] = None
            if len(part) == _AT_ONCE:
                yield list(part)
                part = {}
        if part:
            yield list(part)

    async def _moved(self) -> None:
        await self._counters.update_one({"_id": _POLICIES}, {"$inc": {"value": 1}}, upsert=True)
