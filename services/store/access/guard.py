"""Applies the sharing rule to links, with live copies and current policies. Every reader uses it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from schemas.accounts import Account
from schemas.emails import Link
from schemas.records import RecordRef
from schemas.sharing import CopyDecision, LiveCopy, may_see
from services.store.access.copies import Copies, SharingFacts
from services.store.access.rights import RecordRights
from services.store.access.teams import ActiveViewer, Teams
from services.store.access.users import Users
from services.store.core.documents import Doc
from services.store.ledger.row_views import LiveRow


class LinkDecision(NamedTuple):
    """A link with every line of the rule for one viewer."""

    link: Link
    lines: tuple[CopyDecision, ...]
    rows: tuple[LiveRow, ...]
    accounts: dict[str, Account]
    named: frozenset[str]
    """The accounts that the email names. Of others, only their owner may know that they hold a copy."""

    @property
    def visible(self) -> bool:
        """Whether the viewer may see the email on the record."""
        return may_see(self.granting)

    @property
    def granting(self) -> tuple[CopyDecision, ...]:
        """The lines that let the viewer see it.

        A link without owners belongs to copies that are gone or flagged as deleted, not to live ones.
        """
        return tuple(line for line in self.lines if line.decision.verdict.grants) if self.link.owners else ()

    def copies(self) -> list[tuple[LiveRow, Account]]:
        """Return the copies that let the viewer see the email, one per folder. What the viewer sees comes from these."""
        grants = {(line.copy_of.account, line.copy_of.bcc) for line in self.granting}
        return [(row, self.accounts[row.account]) for row in self.rows if (row.account, row.bcc) in grants]

    def known_copies(self, viewer: ActiveViewer) -> list[tuple[LiveRow, Account]]:
        """Return those of ``copies`` of which the viewer may know: their own, and those of accounts that the email names."""
        return [(row, one) for row, one in self.copies() if one.owner in viewer.owners or one.id in self.named]


class Guard:
    """Decides by what is stored now. It never trusts the owners and accounts that a link names."""

    def __init__(self, users: Users, teams: Teams, copies: Copies, rights: RecordRights) -> None:
        self._users = users
        self._teams = teams
        self._copies = copies
        self._rights = rights

    async def viewer(self, email: str) -> ActiveViewer:
        """Return the user who reads.

        Raises:
            NotFoundError: there is no such user.
        """
        return await self._teams.viewer(await self._users.active(email))

    async def readable(self, viewer: ActiveViewer, records: Collection[RecordRef]) -> frozenset[RecordRef]:
        """Return which of the records the viewer may read at all."""
        return await self._rights.readable(viewer.email, records)

    def possibly_readable(self, viewer: ActiveViewer) -> Doc | None:
        """Return the query for CRM documents that the viewer may possibly read, or None if that is every document."""
        return self._rights.condition(viewer.email)

    async def may_read(self, viewer: ActiveViewer, record: RecordRef) -> bool:
        """Whether the viewer may read a record at all."""
        return bool(await self._rights.readable(viewer.email, [record]))

    async def decide(self, viewer: ActiveViewer, links: Sequence[Link]) -> list[LinkDecision]:
        """Return what the rule says of links for a viewer, in the order of the links.

        The answer omits links of emails that are not stored and links on records that the viewer may not read.
        """
        readable = await self._rights.readable(viewer.email, {link.record for link in links})
        links = [link for link in links if link.record in readable]
        facts = await self._copies.facts({link.email for link in links}, links)
        return [_decision(viewer, link, facts) for link in links if link.email in facts.participants]


def _decision(viewer: ActiveViewer, link: Link, facts: SharingFacts) -> LinkDecision:
    rows = tuple(row for row in facts.rows.get(link.email, ()) if row.account in facts.accounts)
    named = frozenset(row.account for row in rows if facts.names_holder(link.email, row.account))
    return LinkDecision(link, tuple(facts.decide(link, viewer.owners)), rows, facts.accounts, named)


def redacted(line: CopyDecision, owners: AbstractSet[str]) -> CopyDecision:
    """Return a line without what only the copy's owner (one of ``owners``) may know: Bcc, aliases, the list of excluded domains."""
    copy = line.copy_of
    if copy.owner in owners:
        return line
    bare = LiveCopy(
        account=copy.account,
        owner=copy.owner,
        policy=copy.policy.model_copy(update={"excluded_domains": ()}),
        own_addresses=(),
    )
    return line.model_copy(update={"copy_of": bare})
