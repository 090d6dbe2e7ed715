"""Changes of sharing policies, and links recomputed from live copies and current policies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from schemas.emails import Link
from schemas.mail import Role
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy, SharingPolicy, Verdict
from services.store.access.copies import Copies, SharingFacts
from services.store.access.users import Company
from services.store.core.audit import Audit
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.documents import now
from services.store.core.errors import NotAllowedError
from services.store.core.fence import MongoSession
from services.store.core.pending_work import PendingWork, WorkId
from services.store.crm.summaries import Summaries
from services.store.ledger.ledger import Ledger
from services.store.ledger.ledger_rows import account_range
from services.store.mail.emails import Emails
from services.store.mail.links import Links
from services.store.mail.orphaned_emails import OrphanedEmails
from services.store.sync.accounts import Accounts

_AT_ONCE = 500
_DOMAIN_LISTS = ("internal_domains", "opened_domains")


def moved_domains(before: CompanyPolicy, after: CompanyPolicy) -> set[str]:
    """Return the domains whose addresses may become internal, or cease to be, by a change of the policy."""
    return {*before.internal_domains} ^ {*after.internal_domains} | {*before.opened_domains} ^ {*after.opened_domains}


def regranted(link: Link, facts: SharingFacts) -> Link:
    """Return a link as its live copies and the current policies make it. Pure.

    The matcher computes what one new copy adds to a link, and only ever adds. This function computes the whole link from all of its
    copies, so that it can also withdraw. Both use ``schemas.sharing``, and readers trust neither result. Without
    matches or owners no user may see the link, and ``links.compare_and_set_many`` deletes it.
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
    """The only way in which grants are withdrawn and policies change."""

    def __init__(
        self,
        collections: Collections,
        *,
        accounts: Accounts,
        ledger: Ledger,
        company: Company,
        colleagues: Colleagues,
        emails: Emails,
        links: Links,
        pending_work: PendingWork,
        copies: Copies,
        orphaned_emails: OrphanedEmails,
        summaries: Summaries,
        audit: Audit,
    ) -> None:
        self._accounts_documents = collections.accounts
        self._accounts = accounts
        self._ledger = ledger
        self._company = company
        self._colleagues = colleagues
        self._emails = emails
        self._links = links
        self._pending = pending_work
        self._copies = copies
        self._orphaned = orphaned_emails
        self._summaries = summaries
        self._audit = audit

    async def recompute(self, keys: Iterable[str]) -> frozenset[RecordRef]:
        """Update the links of emails from their live copies and the current policies, and remove emails without copies.

        The links are read before the copies, and set only if they have not changed since, so that no addition in
        between is lost. Updates the summaries, too. Returns the records whose links changed.
        """
        pending, touched = list(dict.fromkeys(keys)), set[RecordRef]()
        work: list[WorkId] = []
        while pending:
            part, pending = pending[:_AT_ONCE], pending[_AT_ONCE:]
            again, changed = await self._recompute(part, work)
            pending += again
            touched |= changed
        await self._summaries.recompute(touched)
        await self._pending.done(work)
        return frozenset(touched)

    async def _recompute(self, keys: Sequence[str], work: list[WorkId]) -> tuple[list[str], set[RecordRef]]:
        """Return the emails to look at again, and the records whose links may have changed. Pending work covers their summaries.

        Every changed email is looked at again: a copy attached between the read and the write saw its grants before
        this withdrew them.
        """
        links = await self._links.of_emails(keys)
        facts = await self._copies.facts(keys, chain.from_iterable(links.values()), stored_threads=True)
        pairs = [(link, regranted(link, facts)) for several in links.values() for link in several]
        changes = [wanted for link, wanted in pairs if not _same(link, wanted)]
        if changes:  # before the change: after a crash the changed links no longer show whose summaries to update
            work.append(await self._pending.enqueue(records={link.record for link in changes}))
        # These may be on no record now, and their threads may count for other users: the matcher relinks them.
        bare = {link.email for link in changes if not link.matches and link.email in facts.rows}
        bare |= {link.email for link, wanted in pairs if set(link.owners) != set(wanted.owners)} & facts.rows.keys()
        if bare:
            named = (await self._emails.briefs(bare)).values()
            await self._pending.enqueue(emails=bare, message_ids=[one.message_id for one in named if one.message_id])
        await self._links.compare_and_set_many(changes)
        again = {link.email for link in changes}
        await self._remove([key for key in keys if key not in facts.rows and key not in again])
        return list(again), {link.record for link in changes}

    async def _remove(self, without_copy: list[str]) -> None:
        """Remove emails without live copies. The matcher finds the pending work and relinks their threads."""
        removed = await self._emails.briefs(without_copy)
        if ids := [email.message_id for email in removed.values() if email.message_id]:
            await self._pending.enqueue(message_ids=ids)
        await self._orphaned.remove(without_copy)

    async def set_account(self, account: str, policy: SharingPolicy, *, by: str) -> int:
        """Change an account's policy and update its links. Returns the number of emails checked.

        Narrowing works as soon as the policy is stored, because readers check it. ``resume`` finishes an interrupted update.

        Raises:
            NotAllowedError: the administrator does not allow the mode.
            NotFoundError: there is no such account, or it is disconnected.
        """
        company = await self._company.policy()
        if policy.mode not in company.allowed_modes:
            allowed = ", ".join(company.allowed_modes)
            raise NotAllowedError(f"the administrator does not allow {policy.mode}: choose one of {allowed}")
        await self._accounts.save_sharing(account, policy, by=by)
        return await self._follow(account)

    async def set_company(self, policy: CompanyPolicy, *, by: str) -> int:
        """Change the administrator's policy and update all links. Returns the number of emails checked.

        ``resume`` finishes an interrupted update.

        Raises:
            ChangedMeanwhileError: ``policy`` is not based on the current version.
        """
        before = await self._company.policy()
        moved = moved_domains(before, policy)
        await self._colleagues.domains_change(moved)

        async def write(session: MongoSession) -> None:
            saved = await self._company.save(policy, session)
            former, lists = ({name: getattr(one, name) for name in _DOMAIN_LISTS} for one in (before, saved))
            entries: dict[str, dict[str, Any]] = {}
            if moved:
                entries["company.domains"] = {"before": former, "after": lists}
            if not moved or saved != before.replaced(**lists, version=saved.version):
                entries["company.sharing"] = {"before": before, "after": saved}
            for action, change in entries.items():
                await self._audit.add(action, by=by, subject="company", session=session, **change)

        await self._audit.transaction(write)
        return await self.resume()

    async def resume(self) -> int:
        """Update links after interrupted policy changes. For the sweeper. Returns the number of emails checked."""
        if (version := await self._company.to_follow()) is not None:
            await self._accounts_documents.update_many({}, {"$set": {"relink": now()}})
            await self._company.followed(version)
        pending = [
            found["_id"] async for found in self._accounts_documents.find({"relink": {"$exists": True}}, {"_id": 1})
        ]
        return sum([await self._follow(account) for account in pending])

    async def _follow(self, account: str) -> int:
        document = await self._accounts_documents.find_one({"_id": account}, {"relink": 1})
        if document is None or "relink" not in document:
            return 0
        count = 0
        async for keys in self._ledger.attached_emails(account_range(account), batch=_AT_ONCE):
            await self.recompute(keys)
            count += len(keys)
        # Only if the policy has not changed again meanwhile.
        await self._accounts_documents.update_one(
            {"_id": account, "relink": document["relink"]}, {"$unset": {"relink": ""}}
        )
        return count
