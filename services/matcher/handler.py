"""The data flow of a batch of parsed mail: look up, decide, store, look again, complete."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence

from schemas.errors import TransientError
from schemas.messages import MailParsed, SyncCompleted
from services.amqp.delivery.outcomes import Delivery, Done
from services.matcher.completion import complete
from services.matcher.linking.changes import Unheld
from services.matcher.linking.decisions import decide
from services.matcher.linking.effects import apply
from services.matcher.linking.lookups import look_up
from services.matcher.linking.relinking import relink
from services.matcher.linking.summaries import SummaryKeeper
from services.store import Final, Store

_ROUNDS = 8
_PAUSE = 0.02
"""Seconds."""

Told = Callable[[Sequence[Delivery[MailParsed]], Sequence[Final], int], None]
"""Is told of a batch that is stored: the final rows, and when handling it began (nanoseconds since 1970)."""


async def handle(
    deliveries: Sequence[Delivery[MailParsed]],
    *,
    store: Store,
    summaries: SummaryKeeper,
    told: Told | None = None,
) -> Sequence[Done]:
    """Handle a batch of parsed mail. All of it succeeds, or an error is raised and all of it comes again.

    Address race: the version of the known addresses is read before and after; who makes an address known writes
    it, moves the version, then sweeps. Thread race: ancestors are looked up again after our rows were written; who
    stores an ancestor writes it with its links, then sweeps. One always sees the other. The same second look sees
    a policy that was narrowed, an email deleted in the CRM, a copy that went, and links that a recompute took back.
    """
    began = time.time_ns()
    batch = [delivery.message for delivery in deliveries]
    view, gone, again = await look_up(batch, store), frozenset[str](), 0
    while True:
        decided = decide(batch, view, gone)
        late, unsure = await apply(decided, store=store, summaries=summaries)
        present, lacking = await asyncio.gather(look_up(batch, store, view), store.links.lacking(decided.links))
        if not lacking and late <= gone and present.apart_from(decided.live) == view.apart_from(decided.live):
            break
        view, gone, again = present, gone | late, again + 1
        if again == _ROUNDS:
            raise TransientError("what the batch is decided by keeps changing")
        await asyncio.sleep(random.uniform(0, _PAUSE * again))  # noqa: S311 - so that two replicas do not march in step
    # What an earlier round or a crashed try stored may not hold any more; adding never takes anything away.
    tried = deliveries if again else [one for one in deliveries if one.redelivered or one.attempt > 1]
    doubtful = unsure | {one.message.content.key for one in tried}
    doubtful |= await store.emails.existing(decided.dropped - doubtful)
    if doubtful:
        await relink(doubtful, store=store, summaries=summaries, unheld=Unheld.REMOVE)
    await store.blobs.release(decided.dropped)
    completed = await complete({(mail.source.account, mail.epoch) for mail in batch if mail.epoch}, store=store)
    if told is not None:
        told(deliveries, decided.rows, began)
    return [Done(_announcements(mail, completed)) for mail in batch]


def _announcements(mail: MailParsed, completed: dict[tuple[str, int], SyncCompleted]) -> Sequence[SyncCompleted]:
    """Let the first mail of a completed backfill carry the news."""
    news = completed.pop((mail.source.account, mail.epoch or 0), None)
    return () if news is None else (news,)
