"""Wires the parser: ``python -m services.parser``."""

from __future__ import annotations

import asyncio
import os
from functools import partial

from schemas.messages import Lane
from schemas.routes import routes_to
from services.amqp import Stage, run_stage
from services.parser.handler import handle
from services.parser.worker_pool import WorkerPool
from services.settings import ParserSettings
from services.wiring import make_store

BATCH = 64
BATCHES = 2
"""Batches at a time: one is stored and published while the next is parsed."""
LARGE = 2
"""Mails from the blob store in memory at the same time, per lane."""


async def main(stage: Stage[ParserSettings]) -> None:
    """Consume both lanes: live mail one by one, so that none waits for another, and the backfill in batches."""
    settings = stage.settings
    store = make_store(stage.database, stage.crm, settings)
    await store.setup()
    workers = settings.parser_workers or os.cpu_count() or 1
    pool = WorkerPool(
        workers=workers,
        seconds=settings.parser_timeout_seconds,
        memory_mb=settings.parser_memory_mb,
        log=stage.log,
    )
    async with pool:
        for route in routes_to("parser"):
            if settings.parser_lane not in ("all", route.lane):
                continue
            bulk = partial(handle, pool=pool, store=store, large=asyncio.Semaphore(LARGE))
            live = route.lane is Lane.LIVE
            size, concurrency = (1, route.prefetch) if live else (BATCH, BATCHES)
            await stage.bus.consume_batches(route, bulk, size=size, concurrency=concurrency)
        await stage.run(pool.failed())


if __name__ == "__main__":
    run_stage(ParserSettings, main)
