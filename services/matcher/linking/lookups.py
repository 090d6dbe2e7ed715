"""The look-ups for a batch, each once: what `decisions` decides by."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence

from schemas.messages import MailParsed
from services.matcher.linking.decisions import Ancestors, View, searching, threaded
from services.matcher.linking.grants import Holder
from services.matcher.linking.linking import Known, Told, ancestor_ids, told_by
from services.store import Store


async def look_up(batch: Sequence[MailParsed], store: Store, before: View | None = None) -> View:
    """Return what the store says at the moment about a batch.

    Accounts and policies are read for every batch, so that a narrowed policy holds at once.

    Args:
        batch: the copies.
        store: where to look.
        before: an earlier view of the same batch; addresses are looked up again only if their version has moved.
    """
    version = await store.records.version()
    contents = {mail.content.key: mail.content for mail in batch}
    known, holders, company, deleted = await asyncio.gather(
        _known(batch, store, before if before and before.version == version else None),
        holders_of({mail.source.account for mail in batch}, store),
        store.company.policy(),
        store.emails.tombstones(contents),
    )
    strangers = searching(contents, known)
    wanted = {name for content in strangers.values() for name in ancestor_ids(content)}
    people = {person.address for content in strangers.values() for person in content.participants}
    ancestors, own = await ancestors_of(wanted, store, {*known, *people}) if wanted else ({}, frozenset[str]())
    held = await _held(batch, holders, threaded(contents, strangers, ancestors), store)
    return View(version, known, company, holders, deleted, _told_to(held, ancestors), own, held)


async def _known(batch: Sequence[MailParsed], store: Store, before: View | None) -> Known:
    if before is not None:
        return before.known
    addresses = {person.address for mail in batch for person in mail.content.participants}
    addresses.update(address for mail in batch for address in mail.bcc)
    return await store.records.known(addresses)


async def _held(
    batch: Sequence[MailParsed], holders: Mapping[str, Holder], keys: Collection[str], store: Store
) -> dict[str, frozenset[str]]:
    """Return who holds emails: by the batch, by live copies, and by links, which who attaches a copy writes before its row."""
    if not keys:
        return {}
    copies, links = await asyncio.gather(store.ledger.live_copies(keys), store.links.of_emails(keys))
    accounts = {row.account for rows in copies.values() for row in rows}
    everybody = {**holders, **await holders_of(accounts - holders.keys(), store)}
    held = {key: {owner for link in links.get(key, ()) for owner in link.owners} for key in keys}
    places = [(mail.content.key, mail.source.account) for mail in batch if mail.content.key in held]
    places += [(key, row.account) for key, rows in copies.items() for row in rows]
    for key, account in places:
        if account in everybody:
            held[key].add(everybody[account].owner)
    return {key: frozenset(owners) for key, owners in held.items()}


def _told_to(held: Mapping[str, frozenset[str]], ancestors: Ancestors) -> Ancestors:
    """Return what ancestors tell those who hold an email in question; what they tell others decides nothing, and may change."""
    holders = frozenset[str]().union(*held.values())
    return {
        name: {
            key: theirs
            for key, told in emails.items()
            if (theirs := {owner: records for owner, records in told.items() if owner in holders})
        }
        for name, emails in ancestors.items()
    }


async def holders_of(accounts: Iterable[str], store: Store) -> dict[str, Holder]:
    """Return what sharing depends on for each account; accounts that were removed are missing."""
    found = await store.accounts.of_ids(accounts)
    return {key: Holder.of(account) for key, account in found.items()}


async def ancestors_of(
    message_ids: Collection[str], store: Store, others: Iterable[str] = ()
) -> tuple[Ancestors, frozenset[str]]:
    """Return what stored emails tell about their threads, and which of their addresses (and of others) belong to connected accounts."""
    found = await store.emails.ancestors(message_ids)
    addresses = {match.address for ancestor in found for link in ancestor.links for match in link.matches}
    own = await store.accounts.own_among(addresses.union(others))
    ancestors: dict[str, dict[str, Told]] = {}
    for ancestor in found:
        if told := told_by(ancestor.links, own):
            ancestors.setdefault(ancestor.message_id, {})[ancestor.key] = told
    return ancestors, own
