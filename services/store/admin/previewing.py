"""What a change of sharing would do to mail that the caller may see: the exact difference between what users see now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from schemas.accounts import Account
from schemas.base import Contract
from schemas.emails import Link
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy, CopyDecision, SharingPolicy, Verdict, internal_among
from services.store.access.copies import Copies, SharingFacts
from services.store.access.rights import RecordRights
from services.store.access.teams import ActiveViewer, Teams
from services.store.access.teams import asker as asker_of
from services.store.access.users import Company, Users
from services.store.admin.sharing import moved_domains
from services.store.core.colleagues import Colleagues
from services.store.core.documents import Doc
from services.store.crm.record_addresses import RecordAddresses
from services.store.ledger.ledger import Ledger
from services.store.ledger.ledger_rows import account_range
from services.store.mail.links import Links
from services.store.readers.visible_lines import VisibleLines

EXAMPLES = 3
_AT_ONCE = 500


class Example(Contract):
    """An affected email that the caller may see."""

    email: str
    """The email's id."""
    record: RecordRef
    """The record."""
    sent_at: datetime
    """When it was sent."""
    subject: str
    """Decoded, one line."""


class PreviewEffect(Contract):
    """One direction of a change: what is hidden, or what is shown."""

    emails: int = 0
    """Distinct emails that a user would see on fewer (or more) records than now."""
    users: int = 0
    """Distinct affected users."""
    records: int = 0
    """Distinct affected leads and contacts."""
    examples: tuple[Example, ...] = ()
    """The newest few."""


class Preview(Contract):
    """What a change would do, in both directions."""

    hidden: PreviewEffect
    """Emails that a user would no longer see on a record."""
    shown: PreviewEffect
    """Emails that a user would see on a record for the first time."""


class _Counted:
    """One direction while it is being counted."""

    def __init__(self) -> None:
        self.emails: set[str] = set()
        self.users: set[str] = set()
        self.records: set[RecordRef] = set()
        self.newest: list[Link] = []

    def add(self, link: Link, users: Iterable[str]) -> None:
        found = frozenset(users)
        if found:
            self.emails.add(link.email)
            self.users |= found
            self.records.add(link.record)
            self.newest.append(link)
            if len(self.newest) >= _AT_ONCE:
                self._cut()

    def _cut(self) -> None:
        self.newest = sorted(self.newest, key=lambda link: (link.sent_at, link.id), reverse=True)[: _AT_ONCE // 2]

    def links(self) -> list[Link]:
        """Return the newest links."""
        self._cut()
        return self.newest


class _Sight(NamedTuple):
    """Who sees an email on a record, among those who may read the record."""

    holders: frozenset[str]
    shared: bool


class Previewing:
    """Writes nothing. The answer counts users and never names one. Mail that the caller may not see now has no part in it."""

    def __init__(
        self,
        *,
        users: Users,
        teams: Teams,
        company: Company,
        ledger: Ledger,
        links: Links,
        copies: Copies,
        rights: RecordRights,
        lines: VisibleLines,
        record_addresses: RecordAddresses,
        colleagues: Colleagues,
    ) -> None:
        self._record_addresses = record_addresses
        self._colleagues = colleagues
        self._ledger = ledger
        self._users = users
        self._teams = teams
        self._company = company
        self._links = links
        self._copies = copies
        self._rights = rights
        self._lines = lines

    async def account(self, account: Account, policy: SharingPolicy, *, by: str | None = None) -> Preview:
        """Return what ``sharing.set_account`` would do, as far as the caller sees its mail: by default its owner, or first member."""

        def changed(facts: SharingFacts) -> SharingFacts:
            present = facts.accounts.get(account.id)
            other = {account.id: present.model_copy(update={"sharing": policy})} if present else {}
            return facts._replace(accounts={**facts.accounts, **other})

        return await self._preview(account_range(account.id), changed, asker=asker_of(account, by))

    async def company(self, policy: CompanyPolicy, *, by: str) -> Preview:
        """Return what ``sharing.set_company`` would do, as far as the calling administrator sees the mail now.

        Raises:
            NotFoundError: there is no such user.
        """
        return await self._preview({}, lambda facts: facts._replace(company=policy), asker=by)

    async def opened_records(self, policy: CompanyPolicy, *, by: str) -> int:
        """Return how many leads and contacts have an address that would cease to be internal, as far as the caller may read them."""
        before = await self._company.policy()
        found = await self._record_addresses.at_domains(moved_domains(before, policy))
        addresses = {address for address, _ in found}
        colleagues = await self._colleagues.own_among(addresses)
        opened = internal_among(addresses, colleagues, before) - internal_among(addresses, colleagues, policy)
        return len(await self._rights.readable(by, {ref for address, ref in found if address in opened}))

    async def _preview(self, rows: Doc, changed: Callable[[SharingFacts], SharingFacts], *, asker: str) -> Preview:
        caller = await self._teams.viewer(await self._users.get(asker))
        people = [one for one in await self._users.get_all() if not one.disabled]
        hidden, shown = _Counted(), _Counted()
        async for keys in self._ledger.attached_emails(rows, batch=_AT_ONCE):
            links = await self._links.of_emails(keys)
            facts = await self._copies.facts(keys, chain.from_iterable(links.values()))
            after = changed(facts)
            moved: list[tuple[Link, _Sight, bool]] = []
            for link in (one for several in links.values() for one in several):
                before, then = _sights(link, facts, after, caller)
                if before.shared is not then.shared:
                    moved.append((link, before, then.shared))
            readers: dict[RecordRef, set[str]] = {}
            visible = await self._rights.readable(caller.email, {link.record for link, _, _ in moved})
            moved = [
                (link, before, widens)
                for link, before, widens in moved
                if link.record in visible and (before.shared or caller.email in before.holders)
            ]
            records = {link.record for link, _, _ in moved}
            for person in people if records else ():
                for record in await self._rights.readable(person.email, records):
                    readers.setdefault(record, set()).add(person.email)
            for link, before, widens in moved:
                (shown if widens else hidden).add(link, readers.get(link.record, set()) - before.holders)
        return Preview(hidden=await self._effect(hidden, asker), shown=await self._effect(shown, asker))

    async def _effect(self, counted: _Counted, asker: str) -> PreviewEffect:
        lines = await self._lines.seen(asker, counted.links())
        seen = {(one.line.email, record): one.line for one in lines for record in one.records}
        examples = [
            Example(email=link.email, record=link.record, sent_at=link.sent_at, subject=line.subject)
            for link in counted.links()
            if (line := seen.get((link.email, link.record)))
        ]
        return PreviewEffect(
            emails=len(counted.emails),
            users=len(counted.users),
            records=len(counted.records),
            examples=tuple(examples[:EXAMPLES]),
        )


def _sights(link: Link, facts: SharingFacts, after: SharingFacts, caller: ActiveViewer) -> tuple[_Sight, _Sight]:
    """Return who sees a link's email before and after a change, by the copies of which the caller may know.

    If none of these lets the caller see it, the copies of unnamed holders count: that there is one is no news to the caller.
    """
    if link.email not in facts.participants:
        return _Sight(frozenset(), shared=False), _Sight(frozenset(), shared=False)
    lines, then = facts.decide(link), after.decide(link)

    def known(several: Iterable[CopyDecision]) -> list[CopyDecision]:
        return [one for one in several if facts.may_know_holder(caller.owners, link.email, one.copy_of.account)]

    before = _sight(known(lines), facts)
    if before.shared or caller.email in before.holders:
        return before, _sight(known(then), facts)
    return _sight(lines, facts), _sight(then, facts)


def _sight(lines: Iterable[CopyDecision], facts: SharingFacts) -> _Sight:
    lines = list(lines)
    return _Sight(
        frozenset(holder for line in lines for holder in facts.accounts[line.copy_of.account].holders),
        shared=any(line.decision.verdict is Verdict.SHARED for line in lines),
    )
