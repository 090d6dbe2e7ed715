"""An account that this poller works on, and how many of them end together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from schemas.accounts import Account, Lease
from services.poller.account_worker import AccountWorker

RELEASE_SECONDS = 0.1
"""How often those accounts are released whose workers have ended meanwhile."""


@dataclass(slots=True)
class LeasedAccount:
    """An account that this poller works on."""

    lease: Lease
    account: Account
    worker: AccountWorker
    task: asyncio.Task[None]


async def release_as_they_end(
    several: Sequence[LeasedAccount],
    *,
    end: Callable[[LeasedAccount], Awaitable[None]],
    release: Callable[[Sequence[Lease]], Awaitable[None]],
) -> None:
    """End accounts, and release them as their workers finish: many in one call, and none waits for the slowest."""
    ended: list[Lease] = []

    async def finish(leased: LeasedAccount) -> None:
        await end(leased)
        await leased.worker.finish()
        ended.append(leased.lease)

    ending = {asyncio.create_task(finish(leased)) for leased in several}
    failed: BaseException | None = None
    try:
        while ending:
            done, ending = await asyncio.wait(ending, timeout=RELEASE_SECONDS)
            failed = failed or next((error for task in done if (error := task.exception()) is not None), None)
            released, ended = ended, []
            await release(released)
    finally:
        for task in ending:
            task.cancel()
        if ended:
            await release(ended)
    if failed is not None:
        raise failed


def login_differs(now: Account, before: Account) -> bool:
    """Tell whether the login was changed, so that the worker has to start again. Sealing it again or refreshing tokens is no change."""
    return (now.grant or now.credentials.ciphertext, now.incoming, now.provider) != (
        before.grant or before.credentials.ciphertext,
        before.incoming,
        before.provider,
    )
