"""A stage for the tests of shutdown: it says ``started``, and finishes its message when a given file appears."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from schemas.messages import Event, RecordChanged, SyncCompleted
from schemas.routes import routes_to
from services.amqp.delivery.outcomes import Delivery
from services.amqp.stage import Stage, run_stage
from services.settings import ParserSettings

GATE = Path(sys.argv[1])


async def handle(delivery: Delivery[RecordChanged]) -> Sequence[Event]:
    """Hold the message until the gate opens."""
    sys.stdout.write(f"started {datetime.now(UTC)}\n")
    sys.stdout.flush()
    while not GATE.exists():  # noqa: ASYNC110, ASYNC240 - the gate is opened by another process
        await asyncio.sleep(0.01)
    return [SyncCompleted(id=delivery.message.id, account="0123456789abcdef01234567", epoch=1)]


async def main(stage: Stage[ParserSettings]) -> None:
    """Consume record changes until stopped."""
    route = next(route for route in routes_to("matcher") if route.message is RecordChanged)
    await stage.bus.consume(route, handle)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await stage.run()


run_stage(ParserSettings, main)
