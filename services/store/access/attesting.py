"""Which users attest threads now: a stored attestation counts only while the mail that it rests on is still there, and sent.

Links follow a change of a mailbox a little later. Until then readers must not see an answer through a thread whose own mail was
flagged as deleted or moved out of the Sent folder. A mail that is nowhere may be on its way to another folder: for that the links
have a grace period, and what they say counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from schemas.emails import Link
from schemas.records import RecordRef
from schemas.sharing import internal_among
from schemas.threads import InternalAmong, ThreadClaims, claims_of_links, is_outgoing, is_sender, thread_links
from services.store.access.users import Company
from services.store.core.colleagues import Colleagues
from services.store.ledger.folders import Folders
from services.store.ledger.ledger import Ledger
from services.store.mail.emails import Ancestor, BriefEmail, Emails
from services.store.sync.accounts import Accounts

_GENERATIONS = 100
"""How far back a thread is followed, where a mail names its parent only. What is further back attests nothing."""


class _Evidence(NamedTuple):
    """Emails with attestations, what they answer, and who has that now."""

    emails: Mapping[str, BriefEmail]
    ancestors: Mapping[str, Sequence[Ancestor]]
    """By Message-ID."""
    holders: Mapping[str, Collection[str]]
    """Owners of live copies by email."""
    senders: Mapping[str, Collection[str]]
    """Those of them who sent the email."""
    present: Mapping[str, Collection[str]]
    """Owners of any copies by email, be they flagged as deleted."""
    internal: InternalAmong

    def parents(self) -> dict[str, list[Ancestor]]:
        """Return what each email answers."""
        return {
            key: [one for name in email.ancestors for one in self.ancestors.get(name, ())]
            for key, email in self.emails.items()
        }

    def moving(self, parents: Iterable[Ancestor]) -> set[RecordRef]:
        """Return the records of those emails that no mailbox has at the moment, and whose links are hidden meanwhile."""
        nowhere = (one for one in parents if one.key not in self.present)
        return {link.record for one in nowhere for link in one.links if not link.owners}


class Attesting:
    """Applies ``schemas.threads`` to what is stored now. It can only take away from what links say."""

    def __init__(
        self,
        *,
        emails: Emails,
        ledger: Ledger,
        accounts: Accounts,
        folders: Folders,
        colleagues: Colleagues,
        company: Company,
    ) -> None:
        self._emails = emails
        self._ledger = ledger
        self._accounts = accounts
        self._folders = folders
        self._colleagues = colleagues
        self._company = company

    async def now(self, links: Iterable[Link]) -> dict[str, frozenset[str]]:
        """Return which of the users named by the attestations of links attest them now, by link id; links without any are left out."""
        stored = [link for link in links if link.attestations]
        if not stored:
            return {}
        evidence = await self._evidence({link.email for link in stored})
        # Of a long thread this takes a while, in which the event loop serves others.
        return await asyncio.to_thread(_attesting, stored, evidence)

    async def _evidence(self, keys: set[str]) -> _Evidence:
        emails: dict[str, BriefEmail] = {}
        ancestors: dict[str, list[Ancestor]] = {}
        for _ in range(_GENERATIONS):
            emails |= await self._emails.briefs(keys)
            names = {name for key in keys if key in emails for name in emails[key].ancestors} - ancestors.keys()
            if not names:
                break
            ancestors |= {name: [] for name in names}
            found = await self._emails.ancestors(names)
            for one in found:
                ancestors[one.message_id].append(one)
            keys = {one.key for one in found if any(link.attestations for link in one.links)} - emails.keys()
        named = {one.key for several in ancestors.values() for one in several}
        emails |= await self._emails.briefs(named - emails.keys())
        links = [link for several in ancestors.values() for one in several for link in one.links]
        addresses = {
            reason.address for link in links for reasons in (link.matches, link.attestations) for reason in reasons
        }
        colleagues = await self._colleagues.own_among(addresses)
        internal = internal_among(addresses, colleagues, await self._company.policy())
        return _Evidence(emails, ancestors, *(await self._held(named, emails)), internal=internal.intersection)

    async def _held(
        self, keys: Collection[str], emails: Mapping[str, BriefEmail]
    ) -> tuple[dict[str, set[str]], dict[str, set[str]], dict[str, set[str]]]:
        """Return the holders and the senders of emails, and who has any copy."""
        copies = [row for rows in (await self._ledger.copies(keys)).values() for row in rows]
        accounts = await self._accounts.of_ids({row.account for row in copies})
        roles = await self._folders.roles({(row.account, row.folder) for row in copies})
        holders: dict[str, set[str]] = {}
        senders: dict[str, set[str]] = {}
        present: dict[str, set[str]] = {}
        for row in copies:
            if (account := accounts.get(row.account)) is None or row.email not in emails:
                continue
            present.setdefault(row.email, set()).add(account.owner)
            if not row.live:
                continue
            holders.setdefault(row.email, set()).add(account.owner)
            people = emails[row.email].participants
            if is_outgoing(roles.get((row.account, row.folder)), row.labels) and is_sender(
                people, account.own_addresses
            ):
                senders.setdefault(row.email, set()).add(account.owner)
        return holders, senders, present


def _attesting(stored: Collection[Link], evidence: _Evidence) -> dict[str, frozenset[str]]:
    """Return who attests links now, by link id. Pure."""
    held = dict[str, frozenset[str]]()
    of_email: dict[str, list[Link]] = {}
    for link in (
        *stored,
        *(link for several in evidence.ancestors.values() for one in several for link in one.links),
    ):
        of_email.setdefault(link.email, []).append(link)
    claims, parents = dict[str, ThreadClaims](), evidence.parents()
    alike: dict[object, ThreadClaims] = {}  # the mails of a thread say mostly the same: a long thread says it once
    for key in _oldest_first(of_email, parents):
        inherited = {id(claims[one.key]): claims[one.key] for one in parents.get(key, ()) if one.key in claims}.values()
        own = of_email.get(key, ())
        owners = {one.owner for link in own for one in link.attestations}
        threads = thread_links(inherited, owners)
        silent, moving = owners.difference(*inherited), evidence.moving(parents.get(key, ()))
        for link in own:
            held[link.id] = frozenset(
                owner
                for owner in {one.owner for one in link.attestations}
                if (owner in threads and threads[owner].record == link.record)
                or (owner in silent and link.record in moving)
            )
        said = claims_of_links([_now(link, held[link.id], evidence) for link in own], evidence.internal)
        claims[key] = alike.setdefault(frozenset((who, *one) for who in said for one in said[who].items()), said)
    return {link.id: held[link.id] for link in stored}


def _now(link: Link, attesting: Collection[str], evidence: _Evidence) -> Link:
    """Return a link with those of its holders, senders and attestations that are so now."""
    holders, senders = evidence.holders.get(link.email, ()), evidence.senders.get(link.email, ())
    present = evidence.present.get(link.email, ())
    return link.model_copy(
        update={
            "owners": tuple(owner for owner in link.owners if owner in holders or owner not in present),
            "sent_by": tuple(owner for owner in link.sent_by if owner in senders or owner not in present),
            "attestations": tuple(one for one in link.attestations if one.owner in attesting),
        }
    )


def _oldest_first(keys: Iterable[str], parents: Mapping[str, Sequence[Ancestor]]) -> list[str]:
    """Return emails after those that they answer, without recursion: a thread can be long. In a circle, which is forged, any order.

    Looks at each answer once.
    """
    done: dict[str, None] = {}
    waiting: dict[str, Iterator[Ancestor]] = {}
    for start in keys:
        stack = [start]
        while stack:
            answered = waiting.setdefault(stack[-1], iter(parents.get(stack[-1], ())))
            for older in answered:
                if older.key not in waiting:
                    stack.append(older.key)
                    break
            else:
                done[stack.pop()] = None
    return list(done)
