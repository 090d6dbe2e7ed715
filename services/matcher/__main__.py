"""Wires the matcher: ``python -m services.matcher``."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from schemas.messages import Lane, MailboxChanged, MailParsed, RecordChanged
from schemas.routes import Route, routes_to
from services.amqp.stage import Stage, run_stage
from services.matcher import dead_letters, handler, mailbox_changed, record_changed
from services.matcher.backlog import LOOK_SECONDS, BacklogMetric
from services.matcher.completion import sweep_epochs
from services.matcher.isolation import isolating
from services.matcher.latency import VisibleLatency
from services.matcher.linking.summaries import SummaryKeeper
from services.matcher.outcomes import Outcomes
from services.matcher.progress import ProgressMetric
from services.matcher.sweepers import duties, in_turn
from services.matcher.watcher import watch
from services.runtime.periodic import periodic
from services.settings import MatcherSettings
from services.store import Store
from services.wiring import make_store

COMPLETE_SECONDS = 5.0
PROGRESS_SECONDS = 10.0
SUMMARY_SECONDS = 0.5
SUMMARY_SHARE = 0.1
"""Of the time: during a backfill, whose mail is about the same records again and again, many of their changes become one."""
BULK_WAIT = 0.4
"""Seconds that a batch of the backfill waits to become full: some forty queries cost the same for one mail as for hundreds."""
RECORDS_AT_ONCE = 200


async def consume(
    route: Route,
    *,
    stage: Stage[MatcherSettings],
    store: Store,
    summaries: SummaryKeeper,
    latency: VisibleLatency,
    outcomes: Outcomes,
) -> None:
    """Consume one route. Lanes have consumers, channels and batches of their own: live mail is never behind the backfill."""
    bus, size = stage.bus, stage.settings.matcher_batch
    if route.message is MailParsed:
        handle = partial(handler.handle, store=store, summaries=summaries, told=outcomes.note)
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
        raise NotImplementedError(f"the matcher does not know {route.message.TYPE}")


async def main(stage: Stage[MatcherSettings]) -> None:
    """Consume the matcher's routes and the dead letters, watch the CRM, sweep."""
    store = make_store(stage.database, stage.crm, stage.settings)
    await store.setup()
    summaries = SummaryKeeper(store)
    latency = VisibleLatency(stage.metrics.registry)
    outcomes = Outcomes(stage.metrics.registry, stage.log, stage.tracing)
    for route in routes_to("matcher"):
        await consume(route, stage=stage, store=store, summaries=summaries, latency=latency, outcomes=outcomes)
    await stage.bus.consume_dead(partial(dead_letters.keep, store=store, bus=stage.bus))
    holder, log = stage.settings.instance, stage.log
    seconds = stage.settings.sweep_seconds
    span = timedelta(seconds=seconds)
    sweeps = [
        periodic(name, in_turn(name, duty, store=store, holder=holder, span=span, log=log), seconds=seconds, log=log)
        for name, duty in duties(store=store, summaries=summaries, overdue=2 * span).items()
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
        periodic("backlog", backlog.look, seconds=LOOK_SECONDS, log=log),
        periodic("progress", progress.look, seconds=PROGRESS_SECONDS, log=log),
        *sweeps,
    )
    await summaries.flush()
    await backlog.stop()
    await progress.stop()


if __name__ == "__main__":
    run_stage(MatcherSettings, main)
