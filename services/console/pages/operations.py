"""Overview for administrators: the oldest unfinished copy, accounts with problems, backfills, queues."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from time import monotonic

from starlette.responses import Response

from schemas.accounts import AccountState
from schemas.ledger import RowState
from services.amqp import ManagementError, QueueRates, queue_rates
from services.console.web.request_context import RequestContext
from services.mailbox import advice
from services.store import AccountStatus
from services.usecases import overview as usecase
from services.usecases.stages import BOUNDS, is_waiting_queue

_LAST = datetime.max.replace(tzinfo=UTC)


async def overview(context: RequestContext) -> Response:
    """Show the overview: accounts with the oldest unfinished copy first, then blocked ones, then the rest.

    It does not say how much of a mailbox's mail is on records: administrators may not see all of that.
    """
    console = context.console
    seen, speeds = await asyncio.gather(console.overview.get(), _speeds(context))
    rows = []
    for one in sorted(seen.accounts, key=_problems_first):
        done, total = usecase.progress(one)
        console.estimator.note(one.account.id, done, total, monotonic())
        blocked = one.account.state is AccountState.BLOCKED
        rows.append(
            (
                one,
                done,
                total,
                usecase.backfill_progress(one, console.estimator.seconds_left(one.account.id)),
                advice.of_blocked(one.account)[0] if blocked else None,
            )
        )
    queues = sorted((seen.queues or {}).items())
    active = [one.account for one in seen.accounts if one.account.state is AccountState.ACTIVE]
    hindered = sorted((one.trouble.code, one.address, one.trouble) for one in active if one.trouble)
    return context.render(
        "operations.html",
        troubles=[
            (address, trouble, advice.trouble_words(trouble), advice.what_to_do(code))
            for code, address, trouble in hindered
        ],
        overview=seen,
        rows=rows,
        left_out={state: usecase.FINAL_LABELS[state] for state in (RowState.SKIPPED, RowState.QUARANTINED)},
        queues=[
            (name, depth, is_waiting_queue(name), BOUNDS[name])
            for name, depth in queues
            if depth.ready or not is_waiting_queue(name)
        ],
        speeds=speeds,
        broker=console.broker is not None,
        live=True,
    )


async def _speeds(context: RequestContext) -> dict[str, QueueRates] | None:
    """Return the rates by queue; None if the broker's management interface is unavailable."""
    try:
        return await queue_rates(context.console.settings)
    except ManagementError:
        return None


def _problems_first(one: AccountStatus) -> tuple[datetime, bool, str]:
    return one.oldest_unfinished or _LAST, one.account.state is not AccountState.BLOCKED, one.account.address
