"""The order of a run: an empty poller, its accounts at rest, new mail, and one of several pollers that dies."""

from __future__ import annotations

import asyncio
import os
import random
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from aiormq import connect
from aiormq.abc import DeliveredMessage
from pydantic import SecretBytes, SecretStr

from schemas.ledger import EpochState
from services.runtime.mongo import Client, make_client
from services.settings import CliSettings
from services.wiring import make_secret_box, make_store
from testbed.bench.accounting import children_of_this, cpu_seconds
from testbed.bench.deployment import settings_of, until
from testbed.bench.idle.figures import IdleFigures, IdlePlan, Rest
from testbed.bench.idle.fixture import CONTACT, add_copies, add_first
from testbed.bench.idle.pollers import Pollers
from testbed.bench.session import SERVERS
from testbed.local import LocalServers
from testbed.processes.certificates import Certificates
from testbed.processes.child import Spawner
from testbed.servers.scripted.process import ScriptedProcess

QUEUE = "parser.mail-fetched.live"
_LONGEST = 1_800
_MAIL = "From: {sender}\r\nTo: me@bench.example\r\nSubject: hello\r\nMessage-ID: <{number}@idle.bench>\r\n\r\ntext\r\n"
_NUMBER = re.compile(rb"Message-ID: <(\d+)@idle\.bench>")
_GAP_S = 0.1
_BASE_S = 30.0
_OPERATIONS = ("query", "insert", "update", "command", "getmore")


class Bench:
    """One deployment with a scripted server."""

    def __init__(
        self, plan: IdlePlan, client: Client, database: str, pollers: Pollers, server: ScriptedProcess
    ) -> None:
        self._plan, self._client, self.pollers, self.server = plan, client, pollers, server
        self._accounts = client[database]["accounts"]
        self._mongod = children_of_this(SERVERS)["mongodb"]

    async def idling(self, count: int) -> None:
        """Wait until this many connections idle."""

        async def there() -> bool:
            self.pollers.check_alive()
            return (await asyncio.to_thread(self.server.counts))["idling"] >= count

        await until(there, what=f"that {count} accounts idle", seconds=_LONGEST, pause=0.25)

    async def die(self) -> tuple[float, float]:
        """Kill one poller; return the seconds until others have leased its accounts, and until every account idles again."""
        killed, began = self.pollers.names[0], time.monotonic()
        before = await self._accounts.count_documents({"lease.holder": killed})
        await asyncio.to_thread(self.pollers.kill_one)

        async def leased() -> bool:
            self.pollers.check_alive()
            return not await self._accounts.count_documents({"lease.holder": killed})

        await until(leased, what=f"that {before} accounts are leased by others", seconds=_LONGEST, pause=0.25)
        leased_s = time.monotonic() - began
        await self.idling(self._plan.accounts)
        return leased_s, time.monotonic() - began

    async def at_rest(self, wanted: float) -> Rest:
        """Measure for so many seconds."""
        began, mongod, cpu = time.monotonic(), cpu_seconds({"": self._mongod})[""], self.pollers.cpu_seconds()
        operations, counts = await self._operations(), await asyncio.to_thread(self.server.counts)
        await asyncio.sleep(wanted)
        after = await asyncio.to_thread(self.server.counts)
        seconds = time.monotonic() - began
        return Rest(
            self.pollers.memory_kb() / 1024,
            (self.pollers.cpu_seconds() - cpu) / seconds,
            (cpu_seconds({"": self._mongod})[""] - mongod) / seconds,
            (after["commands"] - counts["commands"]) / seconds,
            (await self._operations() - operations) / seconds,
            after["connections"],
        )

    async def _operations(self) -> int:
        found = (await self._client.admin.command("serverStatus"))["opcounters"]
        return sum(found[name] for name in _OPERATIONS)

    async def published(self, url: str) -> list[float]:
        """Deliver mail; return the seconds from each notice until its message is in the queue."""
        chosen, arrived, sent = random.Random(self._plan.seed), dict[int, float](), dict[int, float]()  # noqa: S311 - which mailbox

        async def arrive(message: DeliveredMessage) -> None:
            if found := _NUMBER.search(message.body):
                arrived[int(found[1])] = time.time()

        connection = await connect(url)
        try:
            await (await connection.channel()).basic_consume(QUEUE, arrive, no_ack=True)
            for number in range(self._plan.mails):
                raw = _MAIL.format(sender=CONTACT, number=number).encode()
                box = chosen.randrange(self._plan.accounts)
                sent[number] = await asyncio.to_thread(self.server.notice, box, raw)
                await asyncio.sleep(_GAP_S)

            async def all_there() -> bool:
                return len(arrived) == len(sent)

            await until(all_there, what="that every new mail is published", seconds=60)
        finally:
            await connection.close()
        return [arrived[number] - at for number, at in sent.items()]


async def run(
    servers: LocalServers, plan: IdlePlan, certificates: Certificates, logs: Path, say: Callable[[str], None]
) -> IdleFigures:
    """Measure, and return the figures."""
    name = f"idle-{secrets.token_hex(4)}"
    environment = {**settings_of(servers, name), "LEADMAIL_CA_FILE": str(certificates.ca), **plan.settings}
    spawner = Spawner()
    pollers = Pollers(spawner, environment, logs)
    url = environment["LEADMAIL_RABBITMQ_URL"]
    settings = CliSettings(
        mongo_url=SecretStr(servers.mongo_url),
        mongo_database=name,
        crm_database=f"{name}-crm",
        secret_key=SecretBytes(bytes.fromhex(environment["LEADMAIL_SECRET_KEY"])),
    )
    box = make_secret_box(settings)
    try:
        async with make_client(settings) as client:
            store = make_store(client[name], client[settings.crm_database], settings)
            await store.setup()
            with ScriptedProcess(plan.accounts, dialect=plan.dialect, certificates=certificates, mails=2) as server:
                bench = Bench(plan, client, name, pollers, server)
                say(f"{plan.pollers} pollers without accounts")
                await asyncio.to_thread(pollers.start, plan.pollers)
                await pollers.ready()
                await pollers.rest(60)
                base = await bench.at_rest(min(plan.seconds, _BASE_S))
                first = await add_first(store, box, server.port)

                async def synchronised() -> bool:
                    pollers.check_alive()
                    epoch = await store.epochs.get(first.id, 1)
                    return epoch is not None and epoch.state is EpochState.COMPLETE

                await until(synchronised, what="that one account is synchronised", seconds=120)
                await asyncio.to_thread(pollers.stop)
                await add_copies(client, name, box, first, plan.accounts - 1)
                say(f"{plan.accounts:,} accounts: start")
                began = time.monotonic()
                await asyncio.to_thread(pollers.start, plan.pollers)
                await bench.idling(plan.accounts)
                start_s, start_cpu_s = time.monotonic() - began, pollers.cpu_seconds()
                say(f"every account idles after {start_s:.1f} s")
                await pollers.rest(180)
                rest = await bench.at_rest(plan.seconds)
                say(f"at rest: {rest}")
                published_s = await bench.published(url) if plan.mails else []
                takeover_s = await bench.die() if plan.pollers > 1 else None
                load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
                await asyncio.to_thread(pollers.stop)
                for database in (name, settings.crm_database):
                    await client.drop_database(database)
                return IdleFigures(plan, base, start_s, start_cpu_s, rest, published_s, takeover_s, load)
    finally:
        await asyncio.to_thread(pollers.stop)
        spawner.close()
        servers.broker.drop_virtual_host(name)
