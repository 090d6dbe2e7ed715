"""What only a real broker can do: refuse, return, lose, restart."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from base64 import b64encode
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import aiormq
import pytest
from pydantic import SecretStr
from yarl import URL

from schemas.errors import BusClosedError, NotReadyError, TopologyError, UnroutableError
from services.amqp.delivery.outcomes import Delivery, Done, Failed
from services.amqp.rabbitmq.bus import RabbitBus, open_bus
from services.runtime.metrics import Metrics
from services.runtime.settings import BrokerSettings
from testbed.local import LocalServers
from tests.amqp.fixtures import (
    DEADLINE,
    FAST_ROUTES,
    LOG,
    RECORDS,
    SYNCS,
    Recorder,
    changed,
    completed,
    until,
    until_depth,
)
from tools.contracts.derived import definitions


def opened(url: str, **options: Any) -> Any:
    """Return a bus to open on a virtual host."""
    settings = BrokerSettings(
        rabbitmq_url=SecretStr(url), rabbitmq_management_url=SecretStr(options.pop("management", ""))
    )
    return open_bus(settings, "test", metrics=options.pop("metrics", Metrics("test")), log=LOG, **options)


def management(servers: LocalServers, url: str, what: str, post: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Send a request to the management interface about a virtual host, and return the answer."""
    api = URL(servers.rabbitmq_management_url)
    target = f"{api.with_user(None)}/api/{what}/{quote(URL(url).path.removeprefix('/'), safe='')}".replace(
        "//api", "/api"
    )
    credentials = b64encode(f"{api.user}:{api.password}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
    request = urllib.request.Request(target, headers=headers, data=None if post is None else json.dumps(post).encode())
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=DEADLINE) as response:
        content = response.read()
    answer: list[dict[str, Any]] = json.loads(content) if content else []
    return answer


async def test_topology_equals_the_definitions_file(servers: LocalServers, rabbitmq_url: str) -> None:
    """The stages declare what is in the definitions file: queues with their arguments, exchanges and bindings."""
    async with opened(rabbitmq_url):
        queues = await asyncio.to_thread(management, servers, rabbitmq_url, "queues")
        bound = await asyncio.to_thread(management, servers, rabbitmq_url, "bindings")
        exchanges = await asyncio.to_thread(management, servers, rabbitmq_url, "exchanges")
    wanted = definitions()
    assert {queue["name"]: queue["arguments"] for queue in queues} == {
        queue["name"]: queue["arguments"] for queue in wanted["queues"]
    }
    assert {(each["source"], each["destination"], each["routing_key"]) for each in bound if each["source"]} == {
        (each["source"], each["destination"], each["routing_key"]) for each in wanted["bindings"]
    }
    ours = {(each["name"], each["type"], each["durable"]) for each in exchanges if each["name"].startswith("leadmail")}
    assert ours == {(each["name"], each["type"], True) for each in wanted["exchanges"]}


async def test_stages_accept_a_broker_with_the_definitions_file(servers: LocalServers, rabbitmq_url: str) -> None:
    """A broker that was set up from the definitions file has no difference for the stages."""
    wanted = definitions()
    for kind in ("exchanges", "queues", "bindings"):
        wanted[kind] = [{name: value for name, value in each.items() if name != "vhost"} for each in wanted[kind]]
    del wanted["vhosts"]
    await asyncio.to_thread(management, servers, rabbitmq_url, "definitions", wanted)
    async with opened(rabbitmq_url) as bus:
        assert len(await bus.queue_depths()) == len(wanted["queues"])


async def test_message_without_a_route_is_an_error(rabbitmq_url: str) -> None:
    """A message that no queue takes is an error of that message alone, not a silent loss."""
    async with opened(rabbitmq_url, routes=[each for each in FAST_ROUTES if each is not SYNCS]) as bus:
        results = await bus.publish_many([(changed(1), None), (completed(1), None), (changed(2), None)])
        assert [type(result) for result in results] == [type(None), UnroutableError, type(None)]
        with pytest.raises(UnroutableError, match=r"leadmail\.sync\.completed\.v1"):
            await bus.publish(completed(2))


async def test_full_queue_makes_publishers_wait(rabbitmq_url: str) -> None:
    """Publishing to a full queue waits and continues as the queue empties; other queues are not delayed."""
    routes = [each._replace(max_length=5) if each.queue == RECORDS.queue else each for each in FAST_ROUTES]
    metrics = Metrics("test")
    async with opened(rabbitmq_url, routes=routes, metrics=metrics) as bus:
        await bus.publish_many([(changed(number), None) for number in range(20)])  # a burst overshoots the limit
        publishing = asyncio.create_task(bus.publish_many([(changed(number), None) for number in range(20, 60)]))
        await until(
            lambda: metrics.registry.get_sample_value(
                "leadmail_publish_refusals_total", {"stage": "test", "routing_key": RECORDS.routing_key}
            )
        )
        async with asyncio.timeout(2):
            await bus.publish(completed(1))
        assert not publishing.done()
        seen = Recorder()
        await bus.consume(RECORDS, seen)
        assert not any(await asyncio.wait_for(publishing, DEADLINE))
        await until(lambda: len(seen.deliveries) == 60)
        assert set(seen.ids) == {f"record-{number}" for number in range(60)}


async def test_cancelled_publisher_leaves_nothing_behind(rabbitmq_url: str) -> None:
    """A caller that stops waiting for a full queue has published nothing, and later callers are not delayed."""
    routes = [each._replace(max_length=1) if each.queue == RECORDS.queue else each for each in FAST_ROUTES]
    async with opened(rabbitmq_url, routes=routes) as bus:
        await bus.publish_many([(changed(number), None) for number in range(5)])  # a burst overshoots the limit
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await bus.publish_many([(changed(10 + number), None) for number in range(5)])
        seen = Recorder()
        await bus.consume(RECORDS, seen)
        await bus.publish(changed(99))
        await until(lambda: "record-99" in seen.ids)
        assert set(seen.ids) == {*(f"record-{number}" for number in range(5)), "record-99"}


async def test_broker_restart_loses_nothing(servers: LocalServers, rabbitmq_url: str) -> None:
    """A broker that crashes while many messages are published costs only duplicates with the same ids; consumers come back, too."""
    seen: list[str] = []
    confirmed: list[int] = []
    stop = asyncio.Event()

    async def handle(deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        seen.extend(delivery.message.id for delivery in deliveries)
        return [Done()] * len(deliveries)

    async def publish(bus: RabbitBus) -> None:
        while not stop.is_set():
            numbers = range(len(confirmed), len(confirmed) + 20)
            assert not any(await bus.publish_many([(changed(number), None) for number in numbers]))
            confirmed.extend(numbers)
            await asyncio.sleep(0.01)  # some thousand messages are enough

    async with opened(rabbitmq_url) as bus:
        await bus.consume_batches(RECORDS, handle, size=50)
        publishing = asyncio.create_task(publish(bus))
        await until(lambda: seen)
        try:
            await asyncio.to_thread(servers.kill, "rabbitmq")
            before = len(confirmed)
        finally:
            await asyncio.to_thread(servers.start, "rabbitmq")
        await until(lambda: len(confirmed) > before + 200, seconds=60)
        stop.set()
        await asyncio.wait_for(publishing, DEADLINE)
        await until(lambda: len(set(seen)) == len(confirmed))
    assert set(seen) == {f"record-{number}" for number in confirmed}


async def test_drifted_queue_is_named(rabbitmq_url: str) -> None:
    """A queue that another version declared differently stops the start, with its name and how to fix it."""
    async with await aiormq.connect(rabbitmq_url) as connection:
        channel = await connection.channel()
        await channel.queue_declare(SYNCS.queue, durable=True, arguments={"x-queue-type": "quorum", "x-max-length": 7})
    with pytest.raises(TopologyError, match=rf"(?s)'{SYNCS.queue}'.*inequivalent arg.*delete_queue"):
        async with opened(rabbitmq_url):
            pass


async def test_an_unreachable_broker_is_reported(rabbitmq_url: str) -> None:
    """If no broker answers, or it refuses the login, opening fails in time with the address and reason, and without the password."""
    closed = str(URL(rabbitmq_url).with_port(1))
    with pytest.raises(NotReadyError, match=r"127\.0\.0\.1:1 .*Connect call failed"):
        async with opened(closed, seconds=1):
            pass
    wrong = str(URL(rabbitmq_url).with_password("hunter2"))
    with pytest.raises(NotReadyError) as caught:
        async with opened(wrong, seconds=3):
            pass
    assert "ACCESS_REFUSED" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_close_ends_waiting_publishers(rabbitmq_url: str) -> None:
    """Closing the bus ends the wait of publishers for a full queue."""
    routes = [each._replace(max_length=1) if each.queue == RECORDS.queue else each for each in FAST_ROUTES]
    async with opened(rabbitmq_url, routes=routes) as bus:
        await bus.publish_many([(changed(number), None) for number in range(5)])  # a burst overshoots the limit
        publishing = asyncio.create_task(bus.publish_many([(changed(number), None) for number in range(10)]))
        await asyncio.sleep(0)
    results = await asyncio.wait_for(publishing, 2)
    assert {type(result) for result in results} == {BusClosedError}
    with pytest.raises(BusClosedError):
        await bus.publish(changed(1))


async def test_many_messages_are_acknowledged_out_of_order(rabbit: RabbitBus) -> None:
    """Messages that finish in any order are all acknowledged, and no others."""
    gates = {number: asyncio.Event() for number in range(20)}

    async def wait(delivery: Delivery[Any]) -> Sequence[Any]:
        await gates[int(delivery.message.record, 16)].wait()
        return ()

    seen = Recorder(wait)
    consumer = await rabbit.consume(RECORDS, seen, prefetch=20)
    await rabbit.publish_many([(changed(number), None) for number in range(20)])
    await until(lambda: len(seen.deliveries) == 20)
    for number in (3, 1, 0, 2, 19, 10, 5, 4):
        gates[number].set()
        await asyncio.sleep(0)
    assert await consumer.stop(0.5) is False
    await until_depth(rabbit, RECORDS.queue, 12)


async def test_unacknowledged_messages_are_counted(servers: LocalServers, rabbitmq_url: str) -> None:
    """With the management interface, depths include the unacknowledged messages."""
    gate = asyncio.Event()

    async def wait(_: Delivery[Any]) -> Sequence[Any]:
        await gate.wait()
        return ()

    async with opened(rabbitmq_url, management=servers.rabbitmq_management_url) as bus:
        await bus.consume(RECORDS, wait)
        await bus.publish(changed(1))
        async with asyncio.timeout(DEADLINE):
            while (await bus.queue_depths())[RECORDS.queue].unacknowledged != 1:  # noqa: ASYNC110 - the broker counts at its own pace
                await asyncio.sleep(0.2)
        gate.set()
