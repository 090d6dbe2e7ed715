"""A stage as a process: start, health, shutdown."""

from __future__ import annotations

import asyncio
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from schemas.errors import NotReadyError
from services.amqp.rabbitmq.bus import open_bus
from services.amqp.stage import open_stage
from services.runtime import mongo
from services.runtime.metrics import Metrics
from services.runtime.tasks import dump_tasks
from services.settings import ParserSettings
from testbed.processes.ports import free_port
from tests.amqp.fixtures import DEADLINE, LOG, RECORDS, SYNCS, changed
from tests.processes import spawning, stdout_line

Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def spawn(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Start]:
    """A function that starts ``stage_process.py`` with changed settings."""
    async with spawning(environment) as spawn:
        yield partial(spawn, "tests.amqp.stage_process", str(tmp_path / "gate"))


async def test_sigterm_drains(spawn: Start, environment: dict[str, str], tmp_path: Path) -> None:
    """On SIGTERM the message in progress is finished, its results published, and it is acknowledged; the process exits 0."""
    process = await spawn()
    assert await stdout_line(process) == "ready\n"
    settings = ParserSettings(rabbitmq_url=SecretStr(environment["LEADMAIL_RABBITMQ_URL"]))
    async with open_bus(settings, "test", metrics=Metrics("test"), log=LOG) as bus:
        await bus.publish(changed(1))
        assert (await stdout_line(process)).startswith("started")
        process.send_signal(signal.SIGTERM)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.wait(), 0.3)
        (tmp_path / "gate").touch()
        assert await asyncio.wait_for(process.wait(), DEADLINE) == 0
        depths = await bus.queue_depths()
    assert (depths[RECORDS.queue].ready, depths[SYNCS.queue].ready) == (0, 1)


async def test_killed_process_loses_nothing(spawn: Start, environment: dict[str, str]) -> None:
    """The message that a killed process was handling is delivered to the next."""
    process = await spawn()
    assert await stdout_line(process) == "ready\n"
    settings = ParserSettings(rabbitmq_url=SecretStr(environment["LEADMAIL_RABBITMQ_URL"]))
    async with open_bus(settings, "test", metrics=Metrics("test"), log=LOG) as bus:
        await bus.publish(changed(1))
        assert (await stdout_line(process)).startswith("started")
        process.kill()
        second = await spawn()
        assert "started" in await stdout_line(second) + await stdout_line(second)


async def test_wrong_setting_ends_the_process(spawn: Start) -> None:
    """A process with a wrong setting exits at once with one line that names it."""
    process = await spawn(LEADMAIL_SHUTDOWN_SECONDS="soon")
    _, errors = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 1
    assert errors.decode().startswith("leadmail: LEADMAIL_SHUTDOWN_SECONDS is wrong")
    assert errors.count(b"\n") == 1


async def test_single_mongod_is_refused(spawn: Start) -> None:
    """A process whose database does not answer exits with a line that says so."""
    process = await spawn(LEADMAIL_MONGO_URL="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200")
    _, errors = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 1
    assert b"leadmail: MongoDB does not answer" in errors


async def test_a_taken_port_is_reported(spawn: Start) -> None:
    """A process whose metrics port is taken exits with a line that names the setting."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = await spawn(LEADMAIL_HTTP_PORT=str(taken.getsockname()[1]))
        _, errors = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 1
    assert b"leadmail: LEADMAIL_HTTP_PORT is wrong" in errors.splitlines()[-1]


async def test_failing_task_ends_the_stage(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """If a task fails, the stage ends with its error instead of staying alive and deaf."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stopped = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with open_stage(ParserSettings()) as stage:
            await stage.run(endless(), fail())
    assert stopped.is_set()


async def test_readiness_follows_the_servers(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """/readyz is 200 while broker and database answer, 503 before the stage works and once it is stopping; /healthz answers."""
    for name, value in (environment | {"LEADMAIL_HTTP_PORT": str(free_port())}).items():
        monkeypatch.setenv(name, value)
    settings = ParserSettings()
    async with open_stage(settings) as stage:
        not_yet = "rabbitmq: ok\nmongodb: ok\nrunning: does not answer\n"
        assert await _get(settings.http_port, "/readyz") == (503, not_yet), "it may be migrating still"
        at_work = asyncio.create_task(stage.run())
        await stage.working.wait()
        assert await _get(settings.http_port, "/readyz") == (200, "rabbitmq: ok\nmongodb: ok\nrunning: ok\n")
        assert (await _get(settings.http_port, "/healthz"))[0] == 200
        status, metrics = await _get(settings.http_port, "/metrics")
        assert status == 200
        assert 'leadmail_broker_connected{purpose="publish",stage="parser"} 1.0' in metrics
        assert 'leadmail_mongo_command_seconds_count{command="ping",stage="parser"}' in metrics
        stage.stopping.set()
        await at_work
        status, text = await _get(settings.http_port, "/readyz")
        assert (status, "running: does not answer" in text) == (503, True)


async def test_readiness_without_a_database() -> None:
    """Without a database the process is not ready, and the check takes seconds, not a minute."""
    client = mongo.make_client(ParserSettings(mongo_url=SecretStr("mongodb://127.0.0.1:1/")))
    try:
        async with asyncio.timeout(5):
            assert not await mongo.answers(client)
    finally:
        await client.close()


async def test_writes_are_majority_and_journalled(environment: dict[str, str]) -> None:
    """Acknowledged writes are on a majority and in the journal, even if the URL says nothing about it."""
    client = mongo.make_client(ParserSettings(mongo_url=SecretStr(environment["LEADMAIL_MONGO_URL"])))
    try:
        await mongo.require_replica_set(client)
        assert client.write_concern.document == {"w": "majority", "j": True}
        assert client.options.retry_writes
    finally:
        await client.close()


async def test_a_server_without_a_replica_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without a replica set is refused with the command that makes it one."""

    class Admin:
        async def command(self, _: str) -> dict[str, object]:
            return {"ok": 1}

    class Single:
        admin = Admin()

    with pytest.raises(NotReadyError, match=r"--replSet"):
        await mongo.require_replica_set(Single())  # type: ignore[arg-type]


async def _get(port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await asyncio.wait_for(reader.read(), DEADLINE)).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body.decode()


async def test_a_task_dump_has_places_only() -> None:
    """The log of a stage that hangs has the place where each task waits, from the outermost call in."""

    async def inner() -> None:
        await asyncio.Event().wait()

    async def outer() -> None:
        await inner()

    task = asyncio.create_task(outer(), name="hanging")
    await asyncio.sleep(0)
    dumped = next(line for line in dump_tasks(asyncio.get_running_loop()) if line.startswith("hanging: "))
    assert dumped.count("test_stage.py:") == 2
    assert "locks.py:" in dumped
    task.cancel()
