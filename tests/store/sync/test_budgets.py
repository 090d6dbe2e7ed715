"""Budgets that all pollers share: never more is handed out than there is."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from services.store import Store
from services.store.core.documents import now

UNTIL = now() + timedelta(days=1)


async def test_pollers_share_a_budget(store: Store) -> None:
    """Many who take at once get what there is, and then nothing."""
    taken = await asyncio.gather(*(store.budgets.take("bytes.a.1", 30, limit=100, until=UNTIL) for _ in range(8)))
    assert sum(taken) == 100
    assert sorted(taken) == [0, 0, 0, 0, 10, 30, 30, 30]
    assert await store.budgets.take("bytes.a.2", 30, limit=100, until=UNTIL) == 30


async def test_a_share_is_kept(store: Store) -> None:
    """Who may use less than others gets nothing at that point, and takes nothing from them."""
    assert await store.budgets.take("b", 200, limit=80, until=UNTIL) == 80
    assert await store.budgets.take("b", 10, limit=80, until=UNTIL) == 0
    assert await store.budgets.take("b", 15, limit=100, until=UNTIL) == 15
    assert await store.budgets.take("b", 10, limit=80, until=UNTIL) == 0
    assert await store.budgets.take("b", 15, limit=100, until=UNTIL) == 5
