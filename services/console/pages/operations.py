"""What an administrator looks at first: the oldest unfinished copy, what is in trouble, backfills, queues."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from time import monotonic

from starlette.responses import Response

from schemas.accounts import AccountState
from services.amqp.rabbitmq.management import ManagementError, QueueRates, rates
from services.console.web.request_context import RequestContext
from services.mailbox import advice
from services.store import AccountStatus
from services.usecases import overview as usecase
from services.usecases.stages import waits

_LAST = datetime.max.replace(tzinfo=UTC)


async def overview(visit: RequestContext) -> Response:
    """Show the whole: accounts with the oldest unfinished copy first, then those that are blocked, then the rest."""
    console = visit.console
    seen, speeds = await asyncio.gather(console.seen.get(), _speeds(visit))
    rows = []
    for one in sorted(seen.accounts, key=_trouble_first):
        done, total = usecase.progress(one)
        console.pace.note(one.account.id, done, total, monotonic())
        blocked = one.account.state is AccountState.BLOCKED
        rows.append(
            (
                one,
                done,
                total,
                usecase.backfill(one, console.pace.left(one.account.id)),
                advice.of_blocked(one.account)[0] if blocked else None,
            )
        )
    queues = sorted((seen.queues or {}).items())
    return visit.page(
        "operations.html",
        seen=seen,
        rows=rows,
        final=usecase.FINAL,
        queues=[(name, depth, waits(name)) for name, depth in queues if depth.ready or not waits(name)],
        speeds=speeds,
        broker=console.broker is not None,
        live=True,
    )


async def _speeds(visit: RequestContext) -> dict[str, QueueRates] | None:
    """Return the rates by queue; None where the broker's management does not tell."""
    try:
        return await rates(visit.console.settings)
    except ManagementError:
        return None


def _trouble_first(one: AccountStatus) -> tuple[datetime, bool, str]:
    return one.oldest_unfinished or _LAST, one.account.state is not AccountState.BLOCKED, one.account.address
