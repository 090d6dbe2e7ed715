"""The look-ups for a batch, each once: what ``decisions`` decides by."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence

from schemas.identity import thread_id
from schemas.messages import Copy, MailParsed
from schemas.sharing import CompanyPolicy, LiveCopy, internal_among
from schemas.threads import ALL_MAIL, SENT_FOLDER, SENT_LABEL, ThreadClaims, claims_of_links, is_outgoing, is_sender
from services.matcher.linking.decisions import View, thread_candidates, unnamed
from services.matcher.linking.matches import Known
from services.matcher.linking.threads import Ancestors
from services.store import LiveRow, Store


async def look_up(batch: Sequence[MailParsed], store: Store, before: View | None = None) -> View:
    """Return what the store says about a batch at the moment.

    Accounts and policies are read for every batch, so that a narrowed policy takes effect at once.

    ``before`` is an earlier view of the same batch: addresses are looked up again only if their version has moved.
    """
    version = await store.record_addresses.version()
    contents = {mail.content.key: mail.content for mail in batch}
    known, accounts, company, deleted, outgoing = await asyncio.gather(
        _known(batch, store, before if before and before.version == version else None),
        live_copies_in({mail.source.account for mail in batch}, store),
        store.company.policy(),
        _deleted(batch, store),
        _outgoing_copies([mail.source for mail in batch], store),
    )
    strangers = unnamed(contents, known)
    wanted = {name for content in strangers.values() for name in content.ancestors}
    ancestors, colleagues = await ancestors_of(wanted, store, company, _addresses(batch))
    owners = {copy.owner for copy in accounts.values()}
    await store.withdrawals.follow(owners, _renamed(batch))
    withdrawn = await store.withdrawals.of(owners, {key: content.thread_ids for key, content in contents.items()})
    candidates = thread_candidates(contents, strangers, ancestors)
    held, senders = await _held(batch, accounts, candidates, outgoing, store)
    return View(
        version=version,
        known=known,
        company=company,
        accounts=accounts,
        deleted=deleted,
        ancestors=_claims_to(held, ancestors),
        colleagues=colleagues,
        outgoing=outgoing,
        withdrawn=withdrawn,
        held=held,
        senders=senders,
    )


def _renamed(batch: Sequence[MailParsed]) -> dict[str, str]:
    """Return the keys of emails, and the ids of threads that follow from them, by those that they had before an upgrade."""
    found: dict[str, str] = {}
    for mail in batch:
        content = mail.content
        if mail.former_key is not None:
            found[mail.former_key] = content.key
            if content.message_id is None and not content.ancestors:
                found[thread_id(message_id=None, in_reply_to=None, references=(), key=mail.former_key)] = content.thread
    return found


async def _deleted(batch: Sequence[MailParsed], store: Store) -> frozenset[str]:
    """Return the keys of emails that were deleted in the CRM, under their key or the one that they had before an upgrade."""
    keys = {mail.content.key: {mail.content.key, *filter(None, (mail.former_key,))} for mail in batch}
    found = await store.emails.tombstones(set().union(*keys.values()))
    return frozenset(key for key, names in keys.items() if names & found)


async def _known(batch: Sequence[MailParsed], store: Store, before: View | None) -> Known:
    if before is not None:
        return before.known
    return await store.record_addresses.known(_addresses(batch))


def _addresses(batch: Sequence[MailParsed]) -> set[str]:
    addresses = {person.address for mail in batch for person in mail.content.participants}
    addresses.update(address for mail in batch for address in mail.bcc)
    return addresses


Holders = dict[str, frozenset[str]]
"""Users by email."""


async def _held(
    batch: Sequence[MailParsed],
    accounts: Mapping[str, LiveCopy],
    keys: Collection[str],
    outgoing: frozenset[str],
    store: Store,
) -> tuple[Holders, Holders]:
    """Return who holds emails, and who of them sent them.

    By the batch, by live copies, and by links, which are written before the row of a new copy.
    """
    if not keys:
        return {}, {}
    copies, links = await asyncio.gather(store.ledger.live_copies(keys), store.links.of_emails(keys))
    rows = [row for several in copies.values() for row in several]
    others, outgoing_others = await asyncio.gather(
        live_copies_in({row.account for row in rows} - accounts.keys(), store), outgoing_rows(rows, store)
    )
    everyone, outgoing = {**accounts, **others}, outgoing | outgoing_others
    held = {key: {owner for link in links.get(key, ()) for owner in link.owners} for key in keys}
    senders = {key: {owner for link in links.get(key, ()) for owner in link.sent_by} for key in keys}
    people = {mail.content.key: mail.content.participants for mail in batch}
    places = [(mail.content.key, mail.source.account, mail.source.id) for mail in batch if mail.content.key in held]
    places += [(row.email, row.account, row.id) for row in rows]
    for key, account, copy in places:
        if account in everyone:
            held[key].add(everyone[account].owner)
            if copy in outgoing and is_sender(people[key], everyone[account].own_addresses):
                senders[key].add(everyone[account].owner)
    return _frozen(held), _frozen(senders)


def _frozen(users: Mapping[str, Iterable[str]]) -> Holders:
    return {key: frozenset(owners) for key, owners in users.items()}


async def _outgoing_copies(copies: Collection[Copy], store: Store) -> frozenset[str]:
    """Return the ids of those of some new copies that lie in a Sent folder, or in Gmail's folder of all mail with its label."""
    roles = await store.folders.roles({(copy.account, copy.folder) for copy in copies})
    by_role: dict[str | None, set[str]] = {}
    for copy in copies:
        by_role.setdefault(roles.get((copy.account, copy.folder)), set()).add(copy.id)
    labelled = await store.ledger.labelled(by_role.get(ALL_MAIL, ()), SENT_LABEL)
    return labelled.union(by_role.get(SENT_FOLDER, ()))


async def outgoing_rows(rows: Collection[LiveRow], store: Store) -> frozenset[str]:
    """Do the same with live copies, whose labels are known."""
    roles = await store.folders.roles({(row.account, row.folder) for row in rows})
    return frozenset(row.id for row in rows if is_outgoing(roles.get((row.account, row.folder)), row.labels))


def _claims_to(held: Mapping[str, frozenset[str]], ancestors: Ancestors) -> Ancestors:
    """Return what ancestors claim to the holders in question. What they claim to others decides nothing and may change."""
    holders = frozenset[str]().union(*held.values())
    return {
        name: {
            key: theirs
            for key, claims in emails.items()
            if (theirs := {owner: records for owner, records in claims.items() if owner in holders})
        }
        for name, emails in ancestors.items()
    }


async def live_copies_in(accounts: Iterable[str], store: Store) -> dict[str, LiveCopy]:
    """Return what sharing depends on for a copy in each account; removed accounts are missing."""
    found = await store.accounts.of_ids(accounts)
    return {key: account.live_copy() for key, account in found.items()}


async def ancestors_of(
    message_ids: Collection[str], store: Store, company: CompanyPolicy, others: Iterable[str] = ()
) -> tuple[Ancestors, frozenset[str]]:
    """Return what stored emails claim, and which of their addresses (and of others) are colleagues'."""
    found = await store.emails.ancestors(message_ids) if message_ids else []
    links = [link for ancestor in found for link in ancestor.links]
    addresses = {
        reason.address for link in links for reasons in (link.matches, link.attestations) for reason in reasons
    }
    colleagues = await store.colleagues.own_among(addresses.union(others))
    ancestors: dict[str, dict[str, ThreadClaims]] = {}
    internal = internal_among(addresses, colleagues, company)
    for ancestor in found:
        if claims := claims_of_links(ancestor.links, internal.intersection):
            ancestors.setdefault(ancestor.message_id, {})[ancestor.key] = claims
    return ancestors, colleagues
