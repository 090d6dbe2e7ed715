"""Ledger, backfill and confirmation in any order of steps, crashes, redeliveries and lost leases: the invariants hold."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from services.store import Store, StoreConfig
from testbed.local import LocalServers
from tests.faults.model import FOLDERS, Mailroom

pytestmark = pytest.mark.timeout(3600)
RUNS = int(os.environ.get("LEADMAIL_MODEL_RUNS") or (3000 if os.environ.get("LEADMAIL_LONG") else 40))
STEPS = 30
SHRINK = bool(os.environ.get("LEADMAIL_SHRINK"))
"""Looking for the shortest way to a violation takes many minutes on a real database; the one that was found says enough."""
POLLERS = st.integers(0, 1)
NAMES = st.sampled_from(FOLDERS)
OUTCOMES = st.sampled_from(("attached", "attached", "unmatched", "dead", "lost"))
leased = precondition(lambda machine: any(poller.lease for poller in machine.room.pollers))
queued = precondition(lambda machine: machine.room.queue)
enumerating = precondition(
    lambda machine: any(folder.cursor > 1 for poller in machine.room.pollers for folder in poller.folders.values())
)


@dataclass
class Ground:
    """What all runs share: one loop, one client, one database.

    In one attribute: Hypothesis looks through those of a machine.
    """

    loop: asyncio.AbstractEventLoop
    database: AsyncDatabase[dict[str, Any]]
    store: Store


class Pipeline(RuleBasedStateMachine):
    """Chooses which process takes the next step."""

    ground: ClassVar[Ground]

    def __init__(self) -> None:
        super().__init__()
        self.room = Mailroom(self.ground.store, self.ground.database)

    def do(self, step: Coroutine[Any, Any, None]) -> None:
        """Take a step."""
        self.ground.loop.run_until_complete(step)

    @initialize(counts=st.tuples(st.integers(0, 5), st.integers(0, 3)))
    def connect(self, counts: tuple[int, int]) -> None:
        """A mailbox with some mail is connected, and a poller takes it."""
        for name, count in zip(FOLDERS, counts, strict=True):
            self.room.arrive(name, count)
        self.do(self.room.connect())
        self.do(self.room.acquire(0))
        self.do(self.room.open_epoch(0))

    @rule(name=NAMES, count=st.integers(1, 2))
    def mail_arrives(self, name: str, count: int) -> None:
        """On the server."""
        self.room.arrive(name, count)

    @rule(name=NAMES, which=st.integers(0, 9))
    def mail_goes(self, name: str, which: int) -> None:
        """On the server."""
        self.room.expunge(name, which)

    @rule(name=NAMES)
    def uids_change(self, name: str) -> None:
        """On the server."""
        self.room.renumber(name)

    @rule()
    def lease_runs_out(self) -> None:
        """Its holder was paused, or died; it may resume."""
        self.do(self.room.expire())

    @rule(number=POLLERS, dies=st.booleans())
    def acquire(self, number: int, dies: bool) -> None:
        """A poller looks for work; it may have been restarted."""
        if dies:
            self.do(self.room.crash(number))
        self.do(self.room.acquire(number))

    @leased
    @rule(number=POLLERS)
    def renew(self, number: int) -> None:
        """A poller's heartbeat."""
        self.do(self.room.renew(number))

    @leased
    @rule(number=POLLERS)
    def release(self, number: int) -> None:
        """A poller stops."""
        self.do(self.room.release(number))

    @leased
    @rule(number=POLLERS)
    def poller_dies(self, number: int) -> None:
        """With all that it had in memory."""
        self.do(self.room.crash(number))

    @rule()
    def resync(self) -> None:
        """The owner asks for a new backfill."""
        self.do(self.ground.store.accounts.request_resync(self.room.id, by="owner"))

    @leased
    @rule(number=POLLERS)
    def open_epoch(self, number: int) -> None:
        """A step of the backfill."""
        self.do(self.room.open_epoch(number))

    @enumerating
    @rule(number=POLLERS, name=NAMES)
    def enumerate(self, number: int, name: str) -> None:
        """A step of the backfill."""
        self.do(self.room.enumerate(number, name))

    @leased
    @rule(number=POLLERS)
    def enumerate_all(self, number: int) -> None:
        """Many steps of the backfill, so that sealing is not rare."""
        for name in FOLDERS * 4:
            self.do(self.room.enumerate(number, name))
        self.do(self.room.verify_and_seal(number))

    @leased
    @rule(number=POLLERS)
    def verify_and_seal(self, number: int) -> None:
        """A step of the backfill."""
        self.do(self.room.verify_and_seal(number))

    @leased
    @rule(number=POLLERS, name=NAMES)
    def renew_folder(self, number: int, name: str) -> None:
        """A folder with new uids."""
        self.do(self.room.renew_folder(number, name))

    @leased
    @rule(number=POLLERS, name=NAMES)
    def follow(self, number: int, name: str) -> None:
        """Live mail and expunges."""
        self.do(self.room.follow(number, name))

    @leased
    @rule(number=POLLERS, marks=st.booleans())
    def publish(self, number: int, marks: bool) -> None:
        """Bodies are published; a crash may come before they are marked."""
        self.do(self.room.publish(number))
        if marks:
            self.do(self.room.mark(number))

    @leased
    @rule(number=POLLERS)
    def mark(self, number: int) -> None:
        """Published rows are marked."""
        self.do(self.room.mark(number))

    @leased
    @rule(number=POLLERS)
    def reap(self, number: int) -> None:
        """The reaper finds everything old."""
        self.do(self.room.reap(number))

    @queued
    @rule(which=st.integers(0, 9), outcome=OUTCOMES, dies=st.sampled_from(("never", "before", "after")))
    def handle(self, which: int, outcome: str, dies: str) -> None:
        """A matcher takes any message of the queue."""
        self.do(self.room.handle(which, outcome, dies))

    @rule(which=st.integers(0, 9), outcome=OUTCOMES)
    def thaw(self, which: int, outcome: str) -> None:
        """A matcher that stood still goes on with one write."""
        self.do(self.room.thaw(which, outcome))

    @queued
    @rule(outcomes=st.lists(OUTCOMES, min_size=1, max_size=8))
    def handle_many(self, outcomes: list[str]) -> None:
        """A matcher that lives takes several messages."""
        for outcome in outcomes:
            self.do(self.room.handle(0, outcome, "never"))

    @leased
    @rule(number=POLLERS, outcomes=st.lists(OUTCOMES, max_size=8))
    def bring_in(self, number: int, outcomes: list[str]) -> None:
        """A whole backfill without an accident, so that what follows it is not rare."""
        self.open_epoch(number)
        self.enumerate_all(number)
        self.publish(number, marks=True)
        self.handle_many(outcomes)

    @rule(heard=st.booleans())
    def sweep(self, heard: bool) -> None:
        """The sweeper completes finished backfills; it may die before it publishes the event."""
        for account, number in self.ground.loop.run_until_complete(self.ground.store.epochs.sealed()):
            if account == self.room.id:
                self.do(self.room.complete(number, heard=heard))

    @rule()
    def late_contact(self) -> None:
        """Unmatched rows become relevant."""
        self.do(self.room.late_contact())

    @rule(stale=st.booleans())
    def claim(self, stale: bool) -> None:
        """A notifier claims a confirmation."""
        self.do(self.room.claim(stale=stale))

    @precondition(lambda machine: machine.room.claimed)
    @rule(noted=st.booleans())
    def send(self, noted: bool) -> None:
        """It sends, and may die before it marks the mail."""
        self.do(self.room.send(noted=noted))

    @invariant()
    def holds(self) -> None:
        """After every step."""
        if self.room.anchors:
            self.do(self.room.check())

    def teardown(self) -> None:
        """When every process lives and works, everything reaches its proper end."""
        try:
            if self.room.anchors:
                self.do(self.room.come_to_rest())
        finally:
            self.do(self.room.forget())


@pytest.fixture
def machine(servers: LocalServers, mongo_database: str) -> Iterator[type[Pipeline]]:
    """The machine on its own database, with one loop and one client for all runs."""
    with asyncio.Runner() as runner:
        client = AsyncMongoClient[dict[str, Any]](servers.mongo_url, w="majority", journal=True)
        database = client[mongo_database]
        # Time passes only when a step lets it, however slow the machine is.
        store = Store(database, database, StoreConfig(blind_index_keys={"only": b"k" * 32}, lease_seconds=86_400))
        runner.run(store.setup())
        Pipeline.ground = Ground(runner.get_loop(), database, store)
        yield Pipeline
        runner.run(client.close())


def test_any_order_of_steps_keeps_the_invariants(machine: type[Pipeline]) -> None:
    """I1, I3, I4; never early; a superseded token never writes: whatever step comes next and whichever process dies."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=(Phase.generate, *((Phase.shrink,) if SHRINK else ())),
            suppress_health_check=list(HealthCheck),
        ),
    )
