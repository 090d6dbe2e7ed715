"""Updates addresses and links after leads or contacts were created, changed or deleted in the CRM."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.messages import RecordChanged
from schemas.records import RecordRef
from services.amqp import Delivery, Done
from services.matcher.linking.relinking import relink
from services.matcher.linking.summaries import SummaryKeeper
from services.store import Store


async def handle(
    deliveries: Sequence[Delivery[RecordChanged]], *, store: Store, summaries: SummaryKeeper
) -> Sequence[Done]:
    """Bring the index of addresses up to date with the CRM, link stored mail, and plan mail that was not relevant before."""
    refs = {RecordRef(kind=delivery.message.kind, id=delivery.message.record) for delivery in deliveries}
    new: dict[RecordRef, list[str]] = {}
    await store.record_addresses.catch_up()  # a record that is not seen yet would pass for one that was deleted
    records = await store.records.read_many(refs)
    while True:
        new |= await store.record_addresses.put_many(records.values())
        # Another replica may handle a later change of the same record: the one that writes last must have read last.
        present = await store.records.read_many(refs)
        if present == records:
            break
        records = present
    await _link_addresses({address for addresses in new.values() for address in addresses}, store, summaries)
    if new:
        await store.record_addresses.swept(new)
    for ref in refs - records.keys():
        await _forget(ref, store, summaries)
    return [Done()] * len(deliveries)


async def _link_addresses(addresses: set[str], store: Store, summaries: SummaryKeeper) -> None:
    """Link stored emails that name newly known addresses, then plan the copies of others (see ``OrphanedEmails.expire``).

    The addresses are in the index and its version has moved, so mail that is being processed elsewhere sees them.
    """
    if not addresses:
        return
    async for emails in store.emails.with_participants(addresses):
        await relink([email.key for email in emails], store=store, summaries=summaries)
    blind = {row.email for row in await store.ledger.with_bcc(addresses)}
    await relink(blind, store=store, summaries=summaries)
    await store.matcher_ledger.replan_by_hashes(store.record_addresses.hashes(addresses))


async def _forget(ref: RecordRef, store: Store, summaries: SummaryKeeper) -> None:
    """Take a deleted record's mail off it. Mail that is on no other record keeps its body for a grace period."""
    await store.record_addresses.forget(ref)
    async for links in store.links.of_record(ref):
        await relink([link.email for link in links], store=store, summaries=summaries)
