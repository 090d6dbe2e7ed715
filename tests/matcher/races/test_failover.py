"""Another server becomes primary between a write and the look that follows it: what was acknowledged is seen all the same."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import AutoReconnect, PyMongoError

from schemas.ledger import RowState
from schemas.messages import MailParsed, RecordChanged
from schemas.records import RecordRef
from services.matcher import handler, record_changed
from services.matcher.linking.summaries import SummaryKeeper
from services.runtime.mongo import CausalClient
from services.store import Store, StoreConfig
from services.store.core.documents import now
from testbed.processes import waiting
from testbed.processes.child import Spawner
from testbed.processes.parts import LOOPBACK
from testbed.servers import mongo
from testbed.servers.replica_set import ReplicaSet, hello, member_ports, wait_for_member
from tests.matcher.fixtures import World, delivery_of, mail
from tests.matcher.hooks import Once, hooked

ANN, CARLA, PAUL = "ann@firm.example", "carla@client.example", "paul@partner.example"
BLIND_S = 1.0
"""How long the new primary does not know what its predecessor acknowledged. Reads that must see it wait so long."""
_STEADY = {"electionTimeoutMillis": 120_000, "catchUpTakeoverDelayMillis": -1}
"""However slow the machine is, only these tests elect a primary."""
_OPTIONS: dict[str, Any] = {"w": "majority", "journal": True, "heartbeatFrequencyMS": 500}

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]


class Members:
    """A replica set of three, whose next primary is told what it knows."""

    def __init__(self, members: ReplicaSet) -> None:
        self._members = members
        self.url = members.url
        self._next = 0
        self._sight: asyncio.Task[None] | None = None

    async def blind(self) -> None:
        """Let the next primary know everything so far, and from now on learn of no acknowledgement."""
        await asyncio.to_thread(self._blind)

    async def fail_over(self, *clients: AsyncMongoClient[dict[str, Any]]) -> None:
        """Make it primary; returns when the clients know. After a while it learns what was acknowledged."""
        await asyncio.to_thread(self._step_up)
        port = self._members.members[self._next].port
        for client in clients:
            while await client.primary != (LOOPBACK, port):  # noqa: ASYNC110 - the driver tells no one
                await asyncio.sleep(0.02)
        self._sight = asyncio.create_task(self._see())

    async def rest(self) -> None:
        """Wait until it knows again."""
        assert self._sight is not None, "no other server became primary"
        await self._sight

    async def _see(self) -> None:
        await asyncio.sleep(BLIND_S)
        await asyncio.to_thread(self.see)

    def see(self) -> None:
        """Let it learn of acknowledgements again, at once: of what the primary writes now, whichever member that is."""
        with self._client(self._next) as client:
            client.admin.command("configureFailPoint", "disableSnapshotting", mode="off")

        def noted(primary: MongoClient[dict[str, Any]]) -> bool:
            primary.admin.command("appendOplogNote", data={"see": 1})
            return True

        self._at_primary(noted)

    def steady(self) -> None:
        """Have no member elected by itself from now on."""

        def set_up(primary: MongoClient[dict[str, Any]]) -> bool:
            config = primary.admin.command("replSetGetConfig")["config"]
            settings = {**config["settings"], **_STEADY}
            primary.admin.command("replSetReconfig", {**config, "version": config["version"] + 1, "settings": settings})
            return True

        self._at_primary(set_up)

    def _at_primary(self, done: Callable[[MongoClient[dict[str, Any]]], bool]) -> None:
        """Do something at the primary, once there is one."""

        def attempt() -> bool:
            number = self._members.primary()
            if number is None:
                return False
            with self._client(number) as client, suppress(PyMongoError):  # it may have lost the role by now
                return done(client)
            return False

        waiting.until(attempt, what="MongoDB", seconds=60, part_alive=lambda: True)

    def _blind(self) -> None:
        primary = self._members.primary()
        assert primary is not None
        newest = hello(self._members.members[primary].port)["lastWrite"]["opTime"]["ts"]
        self._next = (primary + 1) % len(self._members.members)
        with self._client(self._next) as client:

            def knows() -> bool:
                known = client.admin.command("replSetGetStatus")["optimes"]["readConcernMajorityOpTime"]["ts"]
                return bool(known >= newest)

            waiting.until(knows, what="MongoDB", seconds=30, part_alive=lambda: True)
            client.admin.command("configureFailPoint", "disableSnapshotting", mode="alwaysOn")

    def _step_up(self) -> None:
        def primary() -> bool:
            with self._client(self._next) as client, suppress(PyMongoError):  # refused until it has caught up
                client.admin.command("replSetStepUp", 1)
            return bool(hello(self._members.members[self._next].port).get("isWritablePrimary"))

        waiting.until(primary, what="MongoDB", seconds=30, part_alive=lambda: True)

    def _client(self, number: int) -> MongoClient[dict[str, Any]]:
        return MongoClient(LOOPBACK, self._members.members[number].port, directConnection=True)


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    """Three servers that take the commands which tests of MongoDB itself use."""
    spawner, ports, folder = Spawner(), member_ports(3), tmp_path_factory.mktemp("members")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mongo, "MONGOD_ARGUMENTS", (*mongo.MONGOD_ARGUMENTS, "--setParameter", "enableTestCommands=1"))
        made = ReplicaSet(
            [
                mongo.MongoProcess(folder / str(number), spawner, port=each.listens, wait=wait_for_member)
                for number, each in enumerate(ports)
            ],
            ports,
        )
        try:
            made.start()
            members = Members(made)
            members.steady()
            yield members
        finally:
            made.kill()
            spawner.close()


class Process:
    """What a process has: a client of its own."""

    def __init__(self, client: AsyncMongoClient[dict[str, Any]], database: str) -> None:
        self.client = client
        self.mail, self.crm = client[database], client[f"{database}_crm"]
        self.store = Store(self.mail, self.crm, StoreConfig(blind_index_keys={"only": b"k" * 32}))


@pytest.fixture
async def processes(members: Members) -> AsyncIterator[tuple[Process, Process]]:
    """Two processes with one store."""
    database = f"test_{secrets.token_hex(6)}"
    async with CausalClient(members.url, **_OPTIONS) as one, CausalClient(members.url, **_OPTIONS) as two:
        yield Process(one, database), Process(two, database)
    members.see()


@pytest.fixture
async def world(processes: tuple[Process, Process]) -> World:
    """The store of the first process. It has the one index that a query names: all take long to build in a set of three."""
    one, _ = processes
    attached = {"state": RowState.ATTACHED.value}
    await one.mail["ledger"].create_index("email", name="email", partialFilterExpression=attached)
    return World(one.store, one.mail, one.crm, SummaryKeeper(one.store))


async def take(copies: Sequence[MailParsed], *, store: Store, summaries: SummaryKeeper) -> None:
    """Handle a batch as the bus has it handled: it is delivered again if the database is between two primaries for too long."""
    redelivered = False
    while True:
        deliveries = [delivery_of(copy, redelivered=redelivered) for copy in copies]
        try:
            await handler.handle(deliveries, store=store, summaries=summaries)
        except AutoReconnect:
            redelivered = True
        else:
            return


async def test_a_batch_and_a_late_contact_see_each_other(
    world: World, members: Members, processes: tuple[Process, Process]
) -> None:
    """The batch's rows and the version of the addresses are acknowledged just before: each process's look comes just after."""
    ann = await world.account(ANN)
    await world.record(PAUL)
    carla = await world.record(CARLA, known=False)
    copies = [await world.copy(ann, mail(str(number), CARLA, ANN, PAUL)) for number in range(6)]
    one, other = processes
    looked, handling = asyncio.Event(), list[asyncio.Task[object]]()

    async def at(place: str) -> None:
        if place == "after record_addresses.put_many":
            await members.fail_over(one.client, other.client)
        elif place == "before matcher_ledger.replan_by_hashes":
            looked.set()

    async def take_in() -> None:
        event = delivery_of(RecordChanged(id="c", kind=carla.kind, record=carla.id, at=now()))
        store = hooked(other.store, at)
        work = record_changed.handle([event], store=store, summaries=SummaryKeeper(other.store))
        handling.append(asyncio.create_task(work))
        handling[0].add_done_callback(lambda _: looked.set())
        await looked.wait()

    blinded = Once("before matcher_ledger.finish", members.blind)
    then = Once("after matcher_ledger.finish", take_in)

    async def hook(place: str) -> None:
        await blinded(place)
        await then(place)

    await take(copies, store=hooked(world.store, hook), summaries=world.summaries)
    await asyncio.gather(*handling)
    await members.rest()
    await world.rest()
    assert await world.snapshot() == world.truth()


async def test_a_late_contact_is_taken_in_although_its_address_was_stored_just_before(
    world: World, members: Members, processes: tuple[Process, Process]
) -> None:
    """What is to be swept is looked up after the addresses are written."""
    ann = await world.account(ANN)
    await world.record(PAUL)
    await world.match(await world.copy(ann, mail("1", CARLA, ANN, PAUL)), await world.copy(ann, mail("2", CARLA, ANN)))
    carla = await world.record(CARLA, known=False)
    await members.blind()
    addresses, written = world.store.record_addresses, world.store.record_addresses._addresses

    class Failing:
        def __getattr__(self, name: str) -> Any:
            return getattr(written, name)

        async def bulk_write(self, *arguments: Any, **options: Any) -> Any:
            result = await written.bulk_write(*arguments, **options)
            await members.fail_over(processes[0].client)
            return result

    addresses._addresses = Failing()  # type: ignore[assignment]
    await world.changed(carla)
    await members.rest()
    await world.rest()
    assert await world.snapshot() == world.truth()


async def test_a_record_that_the_new_primary_does_not_show_yet_is_not_taken_for_a_deleted_one(
    world: World, members: Members, processes: tuple[Process, Process]
) -> None:
    """Another process saw it inserted, and published its event."""
    one, other = processes
    ann = await world.account(ANN)
    await world.record(PAUL)
    await world.match(await world.copy(ann, mail("1", CARLA, ANN, PAUL)))
    await members.blind()
    number = (await other.crm["contacts"].insert_one({"emails": [CARLA]})).inserted_id
    await members.fail_over(one.client)
    world.records[f"contact:{number}"] = [CARLA]
    await world.changed(RecordRef(kind="contact", id=str(number)))
    await members.rest()
    await world.rest()
    assert await world.snapshot() == world.truth()
