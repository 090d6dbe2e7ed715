"""Wires the matcher: ``python -m services.matcher``."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from schemas.messages import Lane, MailboxChanged, MailParsed, RecordChanged
from schemas.routes import Route, routes_to
from services.amqp import Stage, run_stage
from services.matcher import dead_letters, handler, mailbox_changed, record_changed
from services.matcher.backlog import READ_SECONDS, BacklogMetric
from services.matcher.completion import sweep_epochs
from services.matcher.copy_outcomes import CopyOutcomes
from services.matcher.isolation import isolating
from services.matcher.latency import VisibleLatency
from services.matcher.linking.summaries import SummaryKeeper
from services.matcher.progress import ProgressMetric
from services.matcher.sweepers import sweeps, under_lease
from services.matcher.watcher import watch
from services.runtime.periodic import periodic
from services.settings import MatcherSettings
from services.store import Store
from services.wiring import make_store

COMPLETE_SECONDS = 5.0
PROGRESS_SECONDS = 10.0
SUMMARY_SECONDS = 0.5
SUMMARY_SHARE = 0.1
"""Share of the time. The mail of a backfill is about the same records again and again: this merges many of their changes."""
BULK_WAIT = 0.4
"""Seconds that a backfill batch waits to become full: its forty or so queries cost the same for one mail as for hundreds."""
RECORDS_AT_ONCE = 200


async def consume(
    route: Route,
    *,
    stage: Stage[MatcherSettings],
    store: Store,
    summaries: SummaryKeeper,
    latency: VisibleLatency,
    outcomes: CopyOutcomes,
) -> None:
    """Consume one route. Each lane has its own consumers, channels and batches: live mail never waits for a backfill."""
    bus, size = stage.bus, stage.settings.matcher_batch
    if route.message is MailParsed:
        handle = partial(handler.handle, store=store, summaries=summaries, on_stored=outcomes.record)
        mail = latency.measuring(isolating(handle))
        bulk = route.lane is Lane.BACKFILL
        await bus.consume_batches(
            route, mail, size=size, wait=BULK_WAIT if bulk else 0.0, eager=not bulk, concurrency=2
        )
    elif route.message is RecordChanged:
        records = isolating(partial(record_changed.handle, store=store, summaries=summaries))
        await bus.consume_batches(route, records, size=RECORDS_AT_ONCE)
    elif route.message is MailboxChanged:
        await bus.consume(route, partial(mailbox_changed.handle, store=store, summaries=summaries), prefetch=4)
    else:
        raise NotImplementedError(f"the matcher has no handler for {route.message.TYPE}")


async def main(stage: Stage[MatcherSettings]) -> None:
    """Consume the matcher's routes and the dead letters, watch the CRM, run the sweeps."""
    store = make_store(stage.database, stage.crm, stage.settings)
    await store.mark_keys.announce(stage.settings.instance)  # before it is refused
    await store.setup()
    summaries = SummaryKeeper(store)
    latency = VisibleLatency(stage.metrics.registry)
    outcomes = CopyOutcomes(stage.metrics.registry, stage.log, stage.tracing)
    for route in routes_to("matcher"):
        await consume(route, stage=stage, store=store, summaries=summaries, latency=latency, outcomes=outcomes)
    await stage.bus.consume_dead(partial(dead_letters.store_dead_letter, store=store, bus=stage.bus))
    holder, log = stage.settings.instance, stage.log
    seconds = stage.settings.sweep_seconds
    span = timedelta(seconds=seconds)
    sweeping = [
        periodic(
            name, under_lease(name, sweep, store=store, holder=holder, span=span, log=log), seconds=seconds, log=log
        )
        for name, sweep in sweeps(store=store, summaries=summaries, overdue=2 * span).items()
    ]
    backlog = BacklogMetric(store, holder, stage.metrics.registry)
    progress = ProgressMetric(store, holder, stage.metrics.registry)
    await stage.run(
        watch(store=store, bus=stage.bus, holder=holder, log=log),
        periodic("summaries", summaries.flush, seconds=SUMMARY_SECONDS, share=SUMMARY_SHARE, log=log),
        periodic(
            "complete",
            partial(sweep_epochs, store=store, bus=stage.bus),
            seconds=min(COMPLETE_SECONDS, seconds),
            log=log,
        ),
        periodic("backlog", backlog.read, seconds=READ_SECONDS, log=log),
        periodic("keys", partial(store.mark_keys.announce, holder), seconds=READ_SECONDS, log=log),
        periodic("progress", progress.read, seconds=PROGRESS_SECONDS, log=log),
        *sweeping,
    )
    await summaries.flush()
    await backlog.stop()
    await progress.stop()
    await store.mark_keys.leave(holder)


if __name__ == "__main__":
    run_stage(MatcherSettings, main)
