"""``python -m testbed.bench.importing``: the time and the cost of importing contacts whose mail is in the mailboxes already."""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import re
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from aiormq import connect

from schemas.ledger import RowState
from schemas.routes import ROUTES
from testbed.bench.accounting import children_of_this
from testbed.bench.deployment import Deployment, deployed, until
from testbed.bench.late_mail import LATE, ImportPlan, fill
from testbed.bench.mailboxes import BenchError
from testbed.bench.notice_proxy import NoticeProxy
from testbed.bench.session import SERVERS
from testbed.local import HostingError, LocalServers

_COMMAND = re.compile(rb"(?m)^\S+ ((?:UID )?[A-Z]+)(?= |\r)")
_LONGEST = 3600
_SAMPLE_S = 0.1
_STATISTICS_S = 7
"""Seconds until the broker's own counts are up to date."""


class Measured(NamedTuple):
    """What an import took."""

    plan: ImportPlan
    command_s: float
    """The import command alone."""
    seconds: float
    """Until every mail is on its page."""
    given: dict[str, int]
    """Messages that each queue was given in all."""
    waiting: dict[str, int]
    """Messages that waited in each queue at most."""
    commands: Counter[str]
    """Of IMAP, by name."""
    late_command_s: float
    late_s: float
    """Of one contact more, until its mail of every mailbox is on its page."""

    @property
    def commands_a_mail(self) -> float:
        """IMAP commands per fetched mail."""
        return self.commands.total() / self.plan.relevant()

    def lines(self) -> list[tuple[str, str]]:
        """Return what was measured for people."""
        plan = self.plan
        rows = plan.accounts * plan.messages
        return [
            ("contacts; ledger rows; of these about them", f"{plan.contacts:,}; {rows:,}; {plan.relevant():,}"),
            ("the import command", f"{self.command_s:.1f} s"),
            ("until every mail is on its page", f"{self.seconds:.1f} s"),
            ("mails a second", f"{plan.relevant() / self.seconds:,.0f}"),
            *(
                (f"`{queue}`: messages in all; waiting at most", f"{count:,}; {self.waiting[queue]:,}")
                for queue, count in self.given.items()
                if count
            ),
            ("IMAP commands", ", ".join(f"{count:,} {name}" for name, count in self.commands.most_common())),
            ("IMAP commands a mail", f"{self.commands_a_mail:.3f}"),
            (
                f"one contact more, a mail in each of {plan.accounts} mailboxes",
                f"{self.late_s:.1f} s, the command's {self.late_command_s:.1f} s included",
            ),
        ]


class Counting(NoticeProxy):
    """A relay that counts the commands of the clients."""

    def __init__(self, host: str, port: int, commands: Counter[str]) -> None:
        super().__init__(host, port)
        self._commands = commands

    def sent(self, chunk: bytes) -> None:
        """Count a client's commands. One that a chunk's end cuts may be missed, which hardly matters."""
        self._commands.update(name.decode() for name in _COMMAND.findall(chunk))


@asynccontextmanager
async def depths(url: str) -> AsyncIterator[dict[str, int]]:
    """Note the largest number of messages that wait in each queue while the block runs."""
    most: dict[str, int] = {}

    connection = await connect(url)
    channel = await connection.channel()
    over = asyncio.Event()

    async def look() -> None:
        while not over.is_set():
            for route in ROUTES:
                answer = await channel.queue_declare(route.queue, passive=True)
                most[route.queue] = max(most.get(route.queue, 0), answer.message_count or 0)
            await asyncio.sleep(_SAMPLE_S)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(look())
            yield most
            over.set()
    finally:
        await connection.close()


def published(servers: LocalServers, environment: dict[str, str]) -> dict[str, int]:
    """Return how many messages each queue was given so far, as the broker counts."""
    host = urllib.parse.quote(environment["LEADMAIL_RABBITMQ_URL"].rpartition("/")[2], safe="")
    base = urllib.parse.urlsplit(servers.rabbitmq_management_url)
    manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    manager.add_password(None, f"http://{base.hostname}:{base.port}/", base.username or "", base.password or "")
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(manager), urllib.request.ProxyHandler({}))
    with opener.open(f"http://{base.hostname}:{base.port}/api/queues/{host}", timeout=30) as answer:
        queues = json.load(answer)
    return {queue["name"]: queue.get("message_stats", {}).get("publish", 0) for queue in queues}


async def counts(deployment: Deployment) -> Counter[RowState]:
    """Return the states of all rows."""
    total: Counter[RowState] = Counter()
    for status in await deployment.store.status.accounts():
        total.update(status.counts)
    return +total


async def attached(deployment: Deployment, wanted: int) -> None:
    """Wait until so many copies are attached and nothing is in progress."""

    async def there() -> bool:
        deployment.check_alive()
        found = await counts(deployment)
        return found[RowState.ATTACHED] == wanted and not found[RowState.PLANNED] + found[RowState.PUBLISHED]

    await until(there, what=f"that {wanted} copies are attached", seconds=_LONGEST, pause=0.2)


async def measure(servers: LocalServers, plan: ImportPlan, folder: Path) -> Measured:
    """Run it.

    Raises:
        BenchError: an expected result is missing.
    """
    mailboxes = [await asyncio.to_thread(fill, servers, plan, number) for number in range(plan.accounts)]
    commands: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        deployment = await stack.enter_async_context(deployed(servers, folder / "logs", [], children_of_this(SERVERS)))
        proxy = await stack.enter_async_context(Counting(servers.imap.host, servers.imap.port, commands))
        for number, mailbox in enumerate(mailboxes):
            owner = f"owner.{number}@bench.example"
            await deployment.command("user", "add", owner)
            await deployment.connect(mailbox, owner=owner, address=owner, port=proxy.listening)
        total = plan.accounts * plan.messages

        async def enumerated() -> bool:
            deployment.check_alive()
            return (await counts(deployment))[RowState.UNMATCHED] == total

        await until(enumerated, what="that every mailbox is enumerated", seconds=_LONGEST, pause=0.2)
        await deployment.rest()
        file = folder / "import.csv"
        with file.open("w", encoding="utf-8", newline="") as lines:
            table = csv.writer(lines)
            table.writerow(("email", "name"))
            table.writerows((person.address, person.name) for person in plan.people)
        commands.clear()
        before = published(servers, deployment.environment)
        async with depths(deployment.environment["LEADMAIL_RABBITMQ_URL"]) as most:
            began = time.monotonic()
            await deployment.command("contact", "import", str(file))
            imported = time.monotonic() - began
            await attached(deployment, plan.relevant())
            took = time.monotonic() - began
        asked = Counter(commands)
        await asyncio.sleep(_STATISTICS_S)
        after = published(servers, deployment.environment)
        await deployment.rest()
        began = time.monotonic()
        await deployment.command("contact", "add", LATE.address)
        added = time.monotonic() - began
        await attached(deployment, plan.relevant() + plan.accounts)
        late = time.monotonic() - began
    given = {queue: after[queue] - before.get(queue, 0) for queue in most}
    return Measured(plan, imported, took, given, most, asked, added, late)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m testbed.bench.importing", description=__doc__)
    parser.add_argument("--contacts", type=int, default=10_000, help="imported in one go (default: %(default)s)")
    parser.add_argument("--accounts", type=int, default=5, help="mailboxes (default: %(default)s)")
    parser.add_argument("--messages", type=int, default=10_000, help="in each mailbox (default: %(default)s)")
    options = parser.parse_args(arguments)
    plan = ImportPlan(options.contacts, options.accounts, options.messages)
    try:
        with (
            LocalServers(hosting="processes") as servers,
            tempfile.TemporaryDirectory(prefix="leadmail-bench-") as name,
        ):
            measured = asyncio.run(measure(servers, plan, Path(name)))
            lines = measured.lines()
            width = max(len(what) for what, _ in lines)
            print("\n".join(f"| {what:<{width}} | {value} |" for what, value in lines), flush=True)  # noqa: T201 - a command's output
    except (BenchError, HostingError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
