"""Transactions of processes that were killed in the middle: the server keeps them, and locks what they wrote, for 60 to 90 seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic
from uuid import UUID

import pytest
from pydantic import SecretStr
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession

from schemas.accounts import AccountState
from services.runtime.mongo import Client, make_client
from services.runtime.settings import DatabaseSettings
from services.store import Store
from services.store.core import fence
from testbed.local import LocalServers
from tests.store.fixtures import World

ANN = "ann@corp.com"


@pytest.fixture
async def mongo(servers: LocalServers) -> AsyncIterator[Client]:
    """A client as the processes make it."""
    async with make_client(DatabaseSettings(mongo_url=SecretStr(servers.mongo_url))) as client:
        yield client


@asynccontextmanager
async def left_open(servers: LocalServers, world: World, name: str, of: str) -> AsyncIterator[AsyncClientSession]:
    """Yield a session whose transaction has changed an account, and which says no more, like that of a killed process."""
    async with (
        AsyncMongoClient[dict[str, object]](servers.mongo_url, appname=name) as client,
        client.start_session() as session,
    ):
        await session.start_transaction()
        accounts = client[world.database.name]["accounts"]
        await accounts.update_one({"_id": of}, {"$set": {"half": True}}, session=session)
        yield session


async def pause(world: World, store: Store, of: str) -> bool:
    """Change the account in a transaction, as commands and pages do."""
    await world.pause(of)
    return (await store.accounts.get(of)).state is AccountState.PAUSED


async def renew(world: World, store: Store, of: str) -> bool:
    """Renew the account's lease, as its poller does."""
    return await store.leases.renew([world.leases[of]]) == []


async def acquire(world: World, store: Store, of: str) -> bool:
    """Lease the account again, as another poller does."""
    return [lease.account for lease in await store.leases.acquire("p2", 5)] == [of]


@pytest.mark.parametrize("write", [pause, renew, acquire])
async def test_a_command_that_was_killed_blocks_an_account_for_seconds(
    servers: LocalServers,
    world: World,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[World, Store, str], Awaitable[bool]],
) -> None:
    """Whoever waits for the account ends the transaction, long before the server does. Nothing of it is stored."""
    monkeypatch.setattr(fence, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(fence, "_ABANDONED_S", 0.5)
    mine = await world.account(ANN)
    if write is acquire:
        await store.leases.release([world.leases[mine.id]])
    limit = await world.database.client.admin.command("getParameter", transactionLifetimeLimitSeconds=1)
    async with left_open(servers, world, "leadmail cli", mine.id):
        async with asyncio.timeout(limit["transactionLifetimeLimitSeconds"] / 2):
            assert await write(world, store, mine.id)
        assert await world.database["accounts"].find_one({"half": True}) is None


@pytest.mark.parametrize(("name", "abandoned"), [("crm", 0.0), ("leadmail cli", 600.0)])
async def test_other_transactions_go_on(
    servers: LocalServers, world: World, store: Store, monkeypatch: pytest.MonkeyPatch, *, name: str, abandoned: float
) -> None:
    """Those of the CRM, however long they take, and those of Leadmail that have not been silent for long."""
    monkeypatch.setattr(fence, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(fence, "_ABANDONED_S", abandoned)
    mine = await world.account(ANN)
    looked: asyncio.Queue[list[UUID]] = asyncio.Queue()
    monkeypatch.setattr(store.folders._fence, "kill", looked.put)
    async with left_open(servers, world, name, mine.id) as session:
        waiting = asyncio.create_task(pause(world, store, mine.id))
        for _ in range(3):
            assert session.session_id["id"].as_uuid() not in await looked.get()
        assert not waiting.done()
        await session.commit_transaction()
        assert await waiting
    assert await world.database["accounts"].find_one({"half": True}) is not None


async def test_many_writes_that_wait_look_as_often_as_one(
    servers: LocalServers, world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow database is not asked what blocks each of them: one answer serves them all."""
    monkeypatch.setattr(fence, "_PATIENCE_S", 0.2)
    boxes = [await world.account(f"{number}@corp.com") for number in range(8)]
    looked: asyncio.Queue[list[UUID]] = asyncio.Queue()
    monkeypatch.setattr(store.folders._fence, "kill", looked.put)
    async with AsyncExitStack() as stack:
        for box in boxes:
            await stack.enter_async_context(left_open(servers, world, "crm", box.id))
        waiting = [asyncio.create_task(pause(world, store, box.id)) for box in boxes]
        started = monotonic()
        for _ in range(4):
            await looked.get()
        assert monotonic() - started > 3 * fence._PATIENCE_S
        assert not any(one.done() for one in waiting)
    assert all(await asyncio.gather(*waiting))
