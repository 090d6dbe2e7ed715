"""Helpers of the poller's tests: processes, rows, messages, a mailbox seen by another program, and a stand-in for later stages."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import imaplib
import itertools
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.accounts import Account, ServerAddress, Tls
from schemas.emails import Match
from schemas.ledger import EpochState, RowState
from schemas.mail import Content, Role
from schemas.messages import Event, MailFetched
from schemas.records import Record, RecordRef
from schemas.routes import ROUTES
from schemas.sharing import Mode, SharingPolicy
from services.amqp import Bus, Delivery, Done, open_bus
from services.mailbox.connection.credentials import password
from services.runtime.logs import setup_logs
from services.runtime.metrics import Metrics
from services.runtime.mongo import make_client
from services.settings import CliSettings
from services.store import LinkAddition, RowOutcome, Store, new_account_id
from services.wiring import make_secret_box, make_store
from testbed.local import LocalServers
from testbed.servers.imap import log_in
from tests import factories
from tests.conftest import MailUser

DEADLINE = 60.0
SHORT_PAUSES, LONGEST_PAUSE = (0.02,) * 10, 0.1
"""Between two looks. Most look into the database, which what is waited for needs, too."""
SECRET = "00" * 32
CLIENT = "client@acme.test"
"""The one whom the CRM knows."""
OTHER = "partner@other.test"


@dataclass
class Poller:
    """A poller process."""

    process: subprocess.Popen[bytes]
    name: str
    log: Path

    def kill(self) -> None:
        """Kill it, like a power cut."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Stop it with SIGTERM; returns its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # it says then where it hangs
            self.process.wait()
            pytest.fail(f"the poller does not end:\n{self.log.read_text()[-6000:]}")


@dataclass
class PollerEnvironment:
    """Everything that a test of the poller uses."""

    servers: LocalServers
    environment: dict[str, str]
    store: Store
    bus: Bus
    box: Any
    folder: Path
    fetched: list[tuple[MailFetched, bytes]] = field(default_factory=list)
    messages: list[Event] = field(default_factory=list)
    finishing: bool = True
    """Whether the stand-in for parser and matcher finishes rows."""
    pollers: list[Poller] = field(default_factory=list)

    def start_poller(self, name: str = "poller", *, module: str = "services.poller", **settings: str) -> Poller:
        """Start a poller process, of another ``module`` if one wraps it."""
        log = self.folder / f"{name}-{len(self.pollers)}.log"
        environment = {
            **os.environ,
            **self.environment,
            "LEADMAIL_INSTANCE": name,
            "LEADMAIL_LOG_FORMAT": "json",
            "LEADMAIL_BLOCK_SECONDS": "1",
            "PYTHONFAULTHANDLER": "1",
        }
        environment |= {f"LEADMAIL_{key.upper()}": value for key, value in settings.items()}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module], env=environment, stdout=output, stderr=output, cwd=ROOT
            )
        poller = Poller(process, name, log)
        self.pollers.append(poller)
        return poller

    async def connect(self, user: MailUser, *, port: int | None = None, tls: Tls = "none", **fields: Any) -> Account:
        """Store an account for a mail user."""
        number = new_account_id()
        account = Account(
            id=number,
            owner="owner@company.test",
            address=user.address,
            proofs=factories.confirmed(user.address),
            incoming=ServerAddress(
                host="127.0.0.1", port=port or self.servers.imap.port, tls=tls, username=user.address
            ),
            credentials=self.box.seal(number, password(user.password)),
            sharing=SharingPolicy(mode=Mode.PUBLIC),
            created_at=datetime.now(UTC),
            **fields,
        )
        await self.store.accounts.add(account)
        return account

    async def know(self, *addresses: str, sweep: bool = False) -> None:
        """Add a contact with these addresses, as record.changed does."""
        number = hashlib.sha256(repr(addresses).encode()).hexdigest()[:24]
        record = Record(ref=RecordRef(kind="contact", id=number), addresses=addresses)
        new = (await self.store.record_addresses.put_many([record])).get(record.ref, [])
        if sweep:
            await self.store.matcher_ledger.replan_by_hashes(self.store.record_addresses.hashes(new))

    async def states(self, account: Account) -> dict[str, int]:
        """Return the number of rows per state."""
        return {state.value: count for state, count in (await self.store.ledger_counts.counts(account.id)).items()}

    async def complete(self, account: Account, epoch: int = 1) -> None:
        """Wait until a backfill is complete."""
        await until(lambda: self._complete(account, epoch), f"epoch {epoch} complete", self)

    async def _complete(self, account: Account, epoch: int) -> bool:
        await self.store.epochs.complete_if_done(account.id, epoch)
        found = await self.store.epochs.get(account.id, epoch)
        return found is not None and found.state is EpochState.COMPLETE

    async def rows(self, account: Account, *states: RowState) -> list[Any]:
        """Return the rows of an account in some states (all but gone by default)."""
        wanted = states or tuple(state for state in RowState if state is not RowState.GONE)
        return [row async for row in self.store.ledger_counts.rows(account.id) if row.state in wanted]

    async def folder_id(self, account: Account, name: str) -> str:
        """Return the id of a folder by its name."""
        return next(folder.id for folder in await self.store.folders.of(account.id) if folder.name == name)

    async def take(self, deliveries: Sequence[Delivery[Any]]) -> Sequence[Any]:
        """Act as parser and matcher: store what the poller fetched as an email and attach its row."""
        contents, finals = [], []
        for delivery in deliveries:
            message = delivery.message
            raw = await self.store.blobs.get(message.blob) if message.blob else delivery.body
            self.fetched.append((message, raw))
            found = re.search(rb"^Message-ID:\s*<([^>]+)>", raw, re.IGNORECASE | re.MULTILINE)
            identifier = found[1].decode() if found else None
            key = "v1-" + hashlib.sha256(raw).hexdigest()[:40]
            contents.append(
                Content(key=key, message_id=identifier, thread="0" * 24, sent_at=message.internal_date, raw="0" * 64)
            )
            finals.append(RowOutcome(message.source.id, RowState.ATTACHED, email=key))
        if self.finishing:
            await self.store.emails.save_many(contents)
            await self.store.matcher_ledger.finish(finals)
        return [Done() for _ in deliveries]

    async def link(self, owner: str, *, sent: bool, named: str) -> str:
        """Stand in for the matcher: link a fetched mail by an address in its header; returns its Message-ID."""
        raw = next(raw for _, raw in self.fetched if f"\r\n{named}\r\n".encode() in b"\r\n" + raw)
        address = named.rsplit(maxsplit=1)[-1]
        (record,) = (await self.store.record_addresses.known([address]))[address]
        match, key = Match(address=address, role=Role.TO), "v1-" + hashlib.sha256(raw).hexdigest()[:40]
        await self.store.links.save_many(
            [LinkAddition(key, record, datetime.now(UTC), "0" * 24, (match,), owner, sent=sent)]
        )
        found = re.search(rb"Message-ID: <([^>]+)>", raw)
        assert found
        return found[1].decode()

    async def note(self, delivery: Delivery[Any]) -> Sequence[Event]:
        """Record a message."""
        self.messages.append(delivery.message)
        return ()

    async def relink(self) -> None:
        """Act as the matcher: note that the links follow the gone copies."""
        await self.store.ledger.relink_done(
            [row for rows in (await self.store.ledger.to_relink()).values() for row in rows]
        )

    def said(self, kind: type[Event]) -> list[Any]:
        """Return the messages of a type."""
        return [message for message in self.messages if isinstance(message, kind)]


ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def open_environment(
    servers: LocalServers, environment: dict[str, str], folder: Path, *, noted: Collection[type[Event]]
) -> AsyncIterator[PollerEnvironment]:
    """Yield an environment with consumers on the poller's queues. Pollers are stopped at the end.

    Messages of the types ``noted`` are recorded. ``environment`` names a database and a virtual host of their own.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        settings = CliSettings.read()
    client = make_client(settings)
    try:
        store = make_store(client[settings.mongo_database], client[settings.crm_database], settings)
        await store.setup()
        async with open_bus(settings, "test", metrics=Metrics("test"), log=setup_logs(settings, "test")) as bus:
            world = PollerEnvironment(servers, environment, store, bus, make_secret_box(settings), folder)
            for route in ROUTES:
                if route.message is MailFetched:
                    await bus.consume_batches(route, world.take, size=100)
                elif route.message in noted:
                    await bus.consume(route, world.note)
            try:
                yield world
            finally:
                for poller in world.pollers:
                    # In order: the database would keep a killed one's open transaction, and drop nothing, for a minute.
                    if poller.process.poll() is None:
                        poller.stop()
    finally:
        await client.close()


async def until(
    condition: Callable[[], Awaitable[object]] | Callable[[], object],
    what: str,
    world: PollerEnvironment | None = None,
    seconds: float = DEADLINE,
) -> None:
    """Wait until a condition holds; fails with the pollers' logs when it does not in time."""
    pauses = itertools.chain(SHORT_PAUSES, itertools.repeat(LONGEST_PAUSE))
    try:
        async with asyncio.timeout(seconds):
            while True:
                result = condition()
                if isinstance(result, Awaitable):
                    result = await result
                if result:
                    return
                await asyncio.sleep(next(pauses))
    except TimeoutError:
        logs = (
            "\n".join(f"--- {poller.log.name}\n{poller.log.read_text()[-3000:]}" for poller in world.pollers)
            if world
            else ""
        )
        pytest.fail(f"not in {seconds} s: {what}\n{logs}")


class Mailbox:
    """A mailbox as another program sees it, through the standard library's client."""

    def __init__(self, servers: LocalServers, user: MailUser) -> None:
        self.user = user
        self.imap = log_in(servers.imap.host, servers.imap.port, user.address, user.password)

    def append(self, raw: bytes, folder: str = "INBOX", flags: str | None = None, at: str | None = None) -> None:
        """Put a mail into a folder."""
        typ, data = self.imap.append(folder, flags or "", at or "", raw)
        assert typ == "OK", data

    def create(self, folder: str) -> None:
        """Create a folder."""
        assert self.imap.create(folder)[0] == "OK"

    def read(self, folder: str) -> tuple[int, dict[int, str]]:
        """Return the uidvalidity and the flags by uid."""
        typ, _ = self.imap.select(folder, readonly=True)
        assert typ == "OK"
        validity = int(self.imap.response("UIDVALIDITY")[1][0] or 0)
        _, lines = self.imap.uid("FETCH", "1:*", "(UID FLAGS)")
        found = [re.search(rb"UID (\d+) .*?FLAGS \(([^)]*)\)", line) for line in lines if line]
        return validity, {int(match[1]): match[2].decode() for match in found if match}

    def uid(self, *arguments: str, folder: str = "INBOX") -> None:
        """Run a UID command on a folder."""
        assert self.imap.select(folder)[0] == "OK"
        assert self.imap.uid(*arguments)[0] == "OK"

    def expunge(self, uids: str, folder: str = "INBOX") -> None:
        """Delete mails permanently."""
        self.uid("STORE", uids, "+FLAGS", r"(\Deleted)", folder=folder)
        self.imap.expunge()

    def close(self) -> None:
        """Log out."""
        with contextlib.suppress(imaplib.IMAP4.error, OSError):
            self.imap.logout()


_numbers = iter(range(1, 1_000_000))


def mail(
    sender: str = CLIENT, to: str = "me@company.test", *, subject: str = "hello", extra: str = "", body: str = "text"
) -> bytes:
    """Return a raw mail with its own Message-ID."""
    number = next(_numbers)
    head = f"From: {sender}\r\nTo: {to}\r\nSubject: {subject} {number}\r\nMessage-ID: <m{number}@test>\r\n{extra}"
    return f"{head}\r\n{body} {number}\r\n".encode()
