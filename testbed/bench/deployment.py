"""A small idle deployment: its own database and virtual host, known records, one process per stage."""

from __future__ import annotations

import asyncio
import csv
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretBytes, SecretStr

from schemas.accounts import Account
from schemas.records import RecordRef
from services.runtime.mongo import make_client
from services.settings import CliSettings
from services.store import Store
from services.wiring import make_store
from testbed.bench.accounting import cpu_seconds
from testbed.bench.mailboxes import BenchError, MailLogin
from testbed.local import LocalServers, own_settings
from testbed.processes.child import Child, Spawner
from testbed.processes.ports import free_ports
from testbed.samples.bench.people import Correspondent

STAGES: Final = ("poller", "parser", "matcher", "notifier")
_PROJECT = Path(__file__).parents[2]
_LOOK_S = 0.05
_READY_S = 120
_IDLE_S = 0.5
_IDLE_SHARE = 0.1
"""Of one processor, all processes together: what heartbeats and sweepers need is below it."""


async def until(condition: Callable[[], Awaitable[bool]], *, what: str, seconds: float, pause: float = _LOOK_S) -> None:
    """Wait until a condition holds.

    Raises:
        BenchError: it does not within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise BenchError(f"{what} within {seconds:.0f} s did not happen")
        await asyncio.sleep(pause)


@dataclass(frozen=True, slots=True)
class Deployment:
    """The running processes. Made by ``deployed``."""

    servers: LocalServers
    environment: dict[str, str]
    folder: Path
    store: Store
    stages: dict[str, Child]
    server_pids: dict[str, list[int]]

    @property
    def roots(self) -> dict[str, list[int]]:
        """Process ids by stage and by server; their children belong to them."""
        return {**{name: [child.pid] for name, child in self.stages.items()}, **self.server_pids}

    def check_alive(self) -> None:
        """Raise BenchError if a stage has exited."""
        for name, child in self.stages.items():
            if not child.alive():
                raise BenchError(f"the {name} ended; the end of its log:\n{child.log()}")

    def last_words(self) -> str:
        """Return the end of each stage's log."""
        return "\n".join(f"--- {name}\n{child.log()}" for name, child in self.stages.items())

    async def command(self, *arguments: str, line: str = "") -> None:
        """Run ``leadmail`` with arguments, as a person would.

        Raises:
            BenchError: it failed.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.cli", *arguments, cwd=_PROJECT, env=self.environment,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate(line.encode())
        if process.returncode != 0:
            raise BenchError(f"`leadmail {' '.join(arguments)}` failed: {said.decode(errors='replace').strip()[-800:]}")

    async def connect(self, mailbox: MailLogin, *, owner: str, address: str, port: int | None = None) -> Account:
        """Connect a mailbox by ``leadmail account add`` and return the account; its ``created_at`` is when it was stored."""
        imap = self.servers.imap
        await self.command(
            *("account", "add", "--owner", owner, "--email", address, "--username", mailbox.username),
            *("--imap-host", imap.host, "--imap-port", str(port or imap.port), "--imap-tls", "none", "--no-smtp"),
            *("--sharing", "public", "--password-stdin"),
            line=mailbox.password + "\n",
        )
        return await self.store.accounts.find(address)

    async def know(self, people: Sequence[Correspondent]) -> None:
        """Import people as contacts, and wait until the system knows all of them."""
        file = self.folder / "contacts.csv"
        with file.open("w", encoding="utf-8", newline="") as lines:
            table = csv.writer(lines)
            table.writerow(("email", "name"))
            table.writerows((person.address, person.name) for person in people)
        await self.command("contact", "import", str(file))
        addresses = {person.address for person in people}

        async def known() -> bool:
            self.check_alive()
            return len(await self.store.record_addresses.known(addresses)) == len(addresses)

        await until(known, what="that all contacts are known", seconds=120, pause=0.25)

    async def record(self, address: str) -> RecordRef:
        """Return the record that has an address."""
        return (await self.store.record_addresses.known([address]))[address][0]

    async def rest(self) -> None:
        """Wait until stages and servers do next to nothing."""

        async def at_rest() -> bool:
            self.check_alive()
            before = sum(cpu_seconds(self.roots).values())
            await asyncio.sleep(_IDLE_S)
            return sum(cpu_seconds(self.roots).values()) - before < _IDLE_SHARE * _IDLE_S * 2

        await until(at_rest, what="that everything is idle", seconds=120)


@asynccontextmanager
async def deployed(
    servers: LocalServers, folder: Path, people: Sequence[Correspondent], server_pids: dict[str, list[int]]
) -> AsyncIterator[Deployment]:
    """Yield a deployment that is idle and knows these people.

    Args:
        servers: where it runs.
        folder: for logs; new.
        people: its contacts.
        server_pids: process ids of the servers by name, for the account of CPU time.
    """
    await asyncio.to_thread(folder.mkdir, parents=True)
    name = f"bench-{secrets.token_hex(4)}"
    environment = settings_of(servers, name)
    settings = CliSettings(
        mongo_url=SecretStr(servers.mongo_url),
        mongo_database=name,
        crm_database=f"{name}-crm",
        secret_key=SecretBytes(bytes.fromhex(environment["LEADMAIL_SECRET_KEY"])),
    )
    spawner = Spawner()
    stages: dict[str, Child] = {}
    try:
        async with make_client(settings) as client:
            store = make_store(client[name], client[settings.crm_database], settings)
            await store.setup()
            ports = dict(zip(STAGES, free_ports(len(STAGES)), strict=True))
            for stage, port in ports.items():
                command = [sys.executable, "-m", f"services.{stage}"]
                env = {**environment, "LEADMAIL_HTTP_PORT": str(port)}
                stages[stage] = spawner.spawn(command, log=folder / f"{stage}.log", env=env, cwd=_PROJECT)
            deployment = Deployment(servers, environment, folder, store, stages, server_pids)
            for stage, port in ports.items():
                await ready(stage, port, check=deployment.check_alive)
            await deployment.know(people)
            await deployment.rest()
            yield deployment
            deployment.check_alive()
            for database in (name, settings.crm_database):
                await client.drop_database(database)
    finally:
        await asyncio.to_thread(_end, stages)
        spawner.close()
        servers.broker.drop_virtual_host(name)


def settings_of(servers: LocalServers, name: str) -> dict[str, str]:
    """Return the environment of a deployment with a database and a virtual host of its own."""
    broker = {"LEADMAIL_RABBITMQ_URL": servers.broker.create_virtual_host(name)}
    return own_settings(name, "leadmail@bench.example") | servers.environment() | broker


async def ready(stage: str, port: int, *, check: Callable[[], None]) -> None:
    """Wait until a stage is ready. ``check`` raises BenchError if it has ended."""

    def ask() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                return int(answer.status) == 200  # noqa: PLR2004 - HTTP's OK
        except (urllib.error.URLError, OSError):
            return False

    async def answers() -> bool:
        check()
        return await asyncio.to_thread(ask)

    await until(answers, what=f"that the {stage} is ready", seconds=_READY_S)


def _end(stages: dict[str, Child]) -> None:
    for child in stages.values():
        child.terminate(seconds=30)
