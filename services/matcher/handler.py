"""The data flow of a batch of parsed mail: look up, decide, store, look up again, complete."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from schemas.errors import TransientError
from schemas.ledger import RowState
from schemas.messages import MailParsed, SyncCompleted
from services.amqp import Delivery, Done
from services.matcher.completion import complete
from services.matcher.linking.changes import Orphans
from services.matcher.linking.decisions import decide
from services.matcher.linking.effects import apply
from services.matcher.linking.kept_threads import Grown, HeldMail, grow
from services.matcher.linking.lookups import look_up
from services.matcher.linking.relinking import relink
from services.matcher.linking.summaries import SummaryKeeper
from services.runtime.backoff import jittered
from services.store import RowOutcome, Store

_ROUNDS = 8
_PAUSE = 0.02
"""Seconds."""

OnStored = Callable[[Sequence[Delivery[MailParsed]], Sequence[RowOutcome], int], None]
"""Called with a stored batch, its final rows, and when its handling started (nanoseconds since 1970)."""


async def handle(
    deliveries: Sequence[Delivery[MailParsed]],
    *,
    store: Store,
    summaries: SummaryKeeper,
    on_stored: OnStored | None = None,
) -> Sequence[Done]:
    """Handle a batch of parsed mail. All of it succeeds, or an error is raised and all of it is delivered again.

    Two races are closed by looking twice. Addresses: their version is read before and after; a process that makes an
    address known writes it, moves the version, then sweeps. Threads: ancestors are looked up again after the rows of
    the batch are written; a process that stores an ancestor writes it with its links, then sweeps. One of the two always
    sees the other. The second look also sees a policy that was narrowed, an email that was deleted in the CRM, a copy
    that is gone, and links that were recomputed.
    """
    started = time.time_ns()
    batch = [delivery.message for delivery in deliveries]
    view, gone, repeats = await look_up(batch, store), frozenset[str](), 0
    states: dict[str, RowState | None] = {}
    threads = list[Grown]()
    while True:
        decided = decide(batch, view, gone, states)
        held = [HeldMail(link.owner, decided.attached[link.email].message_id, link.ids) for link in decided.links]
        threads.append(await grow(held, view.withdrawn, store))
        late, changed, recheck = await apply(decided, store=store, summaries=summaries)
        present, lacking = await asyncio.gather(look_up(batch, store, view), store.links.lacking(decided.links))
        if not lacking and not changed and late <= gone and present.without(decided.live) == view.without(decided.live):
            break
        view, gone, repeats = present, gone | late, repeats + 1
        states |= {row.id: row.state for row in decided.rows} | changed
        if repeats == _ROUNDS:
            raise TransientError("the facts that the batch depends on keep changing")
        await asyncio.sleep(jittered(_PAUSE * repeats / 2, spread=1))
    # What an earlier round or a crashed attempt stored may no longer hold, and adding takes nothing away.
    retried = deliveries if repeats else [one for one in deliveries if one.redelivered or one.attempt > 1]
    recheck |= {one.message.content.key for one in retried}
    # What a copy was of before an upgrade changed the keys may have lost its last copy by that.
    former = {mail.former_key for mail in batch if mail.former_key}
    recheck |= await store.emails.existing((decided.dropped | former) - recheck)
    if recheck:
        await relink(recheck, store=store, summaries=summaries, orphans=Orphans.REMOVE)
    if naming := set[str]().union(*(thread.emails for thread in threads)):
        await relink(naming, store=store, summaries=summaries)
    await store.pending_work.done([work for thread in threads for work in thread.work])
    await store.blob_refs.release(decided.dropped)
    completed = await complete({(mail.source.account, mail.epoch) for mail in batch if mail.epoch}, store=store)
    if on_stored is not None:
        on_stored(deliveries, decided.rows, started)
    return [Done(_announcements(mail, completed)) for mail in batch]


def _announcements(mail: MailParsed, completed: dict[tuple[str, int], SyncCompleted]) -> Sequence[SyncCompleted]:
    """Return the event that the first mail of a completed backfill publishes."""
    event = completed.pop((mail.source.account, mail.epoch or 0), None)
    return () if event is None else (event,)
