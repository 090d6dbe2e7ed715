"""What the sharing rule needs to know of emails: their live copies under current policies, and their participants."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from schemas.accounts import Account
from schemas.emails import Link
from schemas.sharing import CompanyPolicy, CopyDecision, LiveCopy, Subject, decide, internal_among
from services.store.access.attesting import Attesting
from services.store.access.users import Company
from services.store.access.withdrawals import Withdrawals
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.documents import NAMED, ids_of
from services.store.ledger.ledger import Ledger
from services.store.ledger.row_views import LiveRow
from services.store.sync.accounts import Accounts


class SharingFacts(NamedTuple):
    """The input of ``schemas.sharing.decide`` for a set of emails."""

    rows: dict[str, list[LiveRow]]
    """Live copies by email."""
    accounts: dict[str, Account]
    participants: dict[str, frozenset[str]]
    """By email; an email that is not stored is absent."""
    colleagues: frozenset[str]
    """Those of the participants and of the links' addresses that are a user's or a connected account's."""
    withdrawn: frozenset[tuple[str, str]]
    """(owner, email) of what its holder keeps private."""
    company: CompanyPolicy
    attesting: Mapping[str, frozenset[str]] | None
    """By link: who attests its thread now. None: those whom the link names."""
    bounces: frozenset[str] = frozenset()
    """Those of the emails that are bounces."""

    def copies(self, email: str) -> list[LiveCopy]:
        """Return the live copies of an email as the rule needs them: one per account and Bcc, not one per folder."""
        found: dict[tuple[str, tuple[str, ...]], LiveCopy] = {}
        for row in self.rows.get(email, ()):
            account = self.accounts.get(row.account)
            if account is not None:
                withdrawn = (account.owner, email) in self.withdrawn
                found[account.id, row.bcc] = account.live_copy(row.bcc, withdrawn=withdrawn)
        return list(found.values())

    def names_holder(self, email: str, account: str) -> bool:
        """Whether a user who sees an email may know that an account holds it: one of its addresses is among the participants."""
        holder = self.accounts.get(account)
        return holder is not None and not holder.own_addresses.isdisjoint(self.participants.get(email, ()))

    def may_know_holder(self, owners: AbstractSet[str], email: str, account: str) -> bool:
        """Whether a user who sees an email may know that an account holds it: it is of one of their ``owners``, or named."""
        holder = self.accounts.get(account)
        return holder is not None and (holder.owner in owners or self.names_holder(email, account))

    def decide(self, link: Link, owners: AbstractSet[str] = frozenset()) -> list[CopyDecision]:
        """Apply the rule to a link. Nothing else in the store does.

        ``owners`` are those as whom the viewer holds mail. Without a viewer no line is an own copy: every line names an owner, and
        shared lines say what the policies share.
        """
        people, copies = self.participants.get(link.email, frozenset()), self.copies(link.email)
        attesting = {one.owner for one in link.attestations}
        if self.attesting is not None:
            attesting &= self.attesting.get(link.id, frozenset()) & {copy.owner for copy in copies}
        subject = Subject(
            participants=people,
            internal=internal_among(
                people.union(match.address for match in link.matches), self.colleagues, self.company
            ),
            attesting=frozenset(attesting),
            bounce=link.email in self.bounces,
        )
        return decide(owners, copies, link.matches, subject, self.company)


class Copies:
    """Gathers the facts in a handful of queries, for any number of emails."""

    def __init__(
        self,
        collections: Collections,
        *,
        ledger: Ledger,
        accounts: Accounts,
        colleagues: Colleagues,
        company: Company,
        withdrawals: Withdrawals,
        attesting: Attesting,
    ) -> None:
        self._emails = collections.emails
        self._ledger = ledger
        self._accounts = accounts
        self._colleagues = colleagues
        self._company = company
        self._withdrawals = withdrawals
        self._attesting = attesting

    async def facts(
        self, keys: Collection[str], links: Iterable[Link], *, stored_threads: bool = False
    ) -> SharingFacts:
        """Return what is true now of emails and of the addresses of their links.

        With ``stored_threads``, threads count as the links say: for those who compute links, which the matcher brings up to date.
        """
        links = list(links)
        attesting = None if stored_threads else await self._attesting.now(links)
        rows = await self._ledger.live_copies(keys)
        accounts = await self._accounts.of_ids({row.account for copies in rows.values() for row in copies})
        keepers = await self._withdrawals.keepers(account.owner for account in accounts.values())
        participants, threads, bounces = await self._emails_in_brief(keys, with_ids=bool(keepers))
        withdrawn = await self._withdrawals.of(keepers, threads) if keepers else frozenset()
        addresses = {match.address for link in links for match in link.matches}.union(*participants.values())
        colleagues = await self._colleagues.own_among(addresses)
        return SharingFacts(
            rows, accounts, participants, colleagues, withdrawn, await self._company.policy(), attesting, bounces
        )

    async def _emails_in_brief(
        self, keys: Iterable[str], *, with_ids: bool
    ) -> tuple[dict[str, frozenset[str]], dict[str, tuple[str, ...]], frozenset[str]]:
        """Return participants of each email that is stored, if wanted its ids, and which emails are bounces."""
        participants, threads, bounces = dict[str, frozenset[str]](), dict[str, tuple[str, ...]](), set[str]()
        fields = ("participants.address", "marks.bounce", *(NAMED if with_ids else ()))
        async for document in self._emails.find({"_id": {"$in": list(keys)}}, dict.fromkeys(fields, 1)):
            participants[document["_id"]] = frozenset(one["address"] for one in document.get("participants", ()))
            if document.get("marks", {}).get("bounce"):
                bounces.add(document["_id"])
            if with_ids:
                threads[document["_id"]] = ids_of(document)
        return participants, threads, frozenset(bounces)
