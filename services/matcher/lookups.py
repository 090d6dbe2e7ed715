"""The look-ups for a batch, each once: what `decisions` decides by."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence

from schemas.messages import MailParsed
from services.matcher.decisions import Ancestors, View, searching
from services.matcher.grants import Holder
from services.matcher.linking import Known, Matches, ancestor_ids
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
    return View(version, known, company, holders, deleted, ancestors, own)


async def _known(batch: Sequence[MailParsed], store: Store, before: View | None) -> Known:
    if before is not None:
        return before.known
    addresses = {person.address for mail in batch for person in mail.content.participants}
    addresses.update(address for mail in batch for address in mail.bcc)
    return await store.records.known(addresses)


async def holders_of(accounts: Iterable[str], store: Store) -> dict[str, Holder]:
    """Return what sharing depends on for each account; accounts that were removed are missing."""
    found = await store.accounts.of_ids(accounts)
    return {key: Holder.of(account) for key, account in found.items()}


async def ancestors_of(
    message_ids: Collection[str], store: Store, others: Iterable[str] = ()
) -> tuple[Ancestors, frozenset[str]]:
    """Return the matches of stored emails, and which of their addresses (and of others) belong to connected accounts."""
    found = await store.emails.ancestors(message_ids)
    ancestors: dict[str, dict[str, Matches]] = {}
    for ancestor in found:
        matches = {link.record: link.matches for link in ancestor.links}
        ancestors.setdefault(ancestor.message_id, {})[ancestor.key] = matches
    addresses = {match.address for ancestor in found for link in ancestor.links for match in link.matches}
    addresses.update(others)
    return ancestors, await store.accounts.own_among(addresses)
