"""All stages as separate processes on a test's database and virtual host, with mailboxes that hold the demo's mail."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from schemas.accounts import Account, ServerAddress
from schemas.ledger import EpochState
from schemas.records import RecordRef
from schemas.sharing import Mode, SharingPolicy
from services.mailbox.connection import SecretBox, password
from services.runtime.mongo import make_client
from services.settings import CliSettings
from services.store import NewRecord, Store, new_account_id
from services.store.core.documents import now
from services.wiring import make_store
from testbed.demo.phone import Phone
from testbed.local import LocalServers
from testbed.samples.company import CONTACTS, LEADS, USERS
from testbed.samples.model import SampleMail
from testbed.samples.person import Record, User
from tests.factories import confirmed

ROOT = Path(__file__).parents[2]
STAGES = ("poller", "parser", "matcher", "notifier")
_KEY = bytes(range(32))


@dataclass
class Deployment:
    """Stages as processes, users with mailboxes, and the store to look into."""

    servers: LocalServers
    environment: dict[str, str]
    store: Store
    logs: Path
    passwords: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    """The real mailbox of each user, by key: tests share one Dovecot, so it is not the address of the samples."""
    accounts: dict[str, str] = field(default_factory=dict)
    records: dict[str, RecordRef] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    quiet: structlog.typing.FilteringBoundLogger = field(
        default_factory=lambda: structlog.wrap_logger(
            structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
        )
    )
    """For what a test itself does with the broker."""

    def start(self, *stages: str) -> None:
        """Start stages as child processes; ``poller:2`` is a second poller."""
        for stage in stages:
            self.start_module(stage, f"services.{stage.partition(':')[0]}")

    def start_module(self, stage: str, module: str) -> None:
        """Start a module as a stage."""
        with (self.logs / f"{stage}.log").open("ab") as log:
            self.running[stage] = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def kill(self, stage: str) -> None:
        """Kill a stage, like a power cut."""
        process = self.running.pop(stage)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def end(self) -> dict[str, int]:
        """Stop all stages with SIGTERM; returns their exit codes."""
        for process in self.running.values():
            process.terminate()
        codes = {stage: process.wait(30) for stage, process in self.running.items()}
        self.running.clear()
        return codes

    def log(self, stage: str) -> str:
        """Return a stage's log."""
        file = self.logs / f"{stage}.log"
        return file.read_text() if file.exists() else ""

    def phone(self, user: User) -> Phone:
        """Return a user's mailbox over IMAP."""
        imap = self.servers.imap
        return Phone(imap.host, imap.port, self.addresses[user.key], self.passwords[user.key])

    async def add_user(self, user: User, mails: list[SampleMail]) -> None:
        """Create a user with a filled mailbox."""
        self.passwords[user.key] = secrets.token_hex(8)
        self.addresses[user.key] = f"{secrets.token_hex(3)}.{user.addresses[0]}"
        await asyncio.to_thread(self.servers.add_user, self.addresses[user.key], self.passwords[user.key])
        await asyncio.to_thread(self.phone(user).fill, [mail for mail in mails if mail.user == user.key])
        await self.store.users.add(user.addresses[0], name=user.name, admin=user.admin)

    async def add_records(self, *people: Record) -> None:
        """Add leads and contacts to the CRM."""
        for person in people:
            new = NewRecord(person.all_addresses, name=person.name, company=person.company)
            self.records[person.key] = (
                await self.store.records.add("lead" if person.kind == "lead" else "contact", new)
            ).ref

    async def known(self, person: Record) -> None:
        """Wait until the matcher has seen a record: earlier mail would be fetched later, outside of its backfill."""

        async def seen() -> bool:
            return bool(await self.store.record_addresses.known([person.addresses[0]]))

        await self.until(seen, "the record is known")

    async def connect(self, user: User, *, port: int | None = None) -> None:
        """Connect a user's mailbox, as ``leadmail account add`` does after a login; through a proxy's port if one is given."""
        account = new_account_id()
        login = self.addresses[user.key]
        imap, smtp = self.servers.imap, self.servers.smtp
        box = SecretBox.from_keys(_KEY)
        await self.store.accounts.add(
            Account(
                id=account,
                owner=user.addresses[0],
                address=user.addresses[0],
                aliases=user.addresses[1:],
                proofs=confirmed(*user.addresses[1:]),
                incoming=ServerAddress(host=imap.host, port=port or imap.port, tls="none", username=login),
                outgoing=ServerAddress(host=smtp.host, port=smtp.port, tls="none", username=login),
                credentials=box.seal(account, password(self.passwords[user.key])),
                sharing=SharingPolicy(mode=Mode(user.sharing), excluded_domains=user.excluded_domains),
                created_at=now(),
            )
        )
        self.accounts[user.key] = account

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str, seconds: float = 120) -> None:
        """Wait until something holds.

        Raises:
            AssertionError: it does not in time; the text has the ends of the stages' logs.
        """
        end = time.monotonic() + seconds
        while not await condition():
            if time.monotonic() > end:
                logs = "\n".join(f"--- {stage}\n{self.log(stage)[-2000:]}" for stage in STAGES)
                raise AssertionError(f"not within {seconds} s: {what}\n{logs}")
            await asyncio.sleep(0.05)

    async def confirmed(self) -> bool:
        """Whether every account's newest backfill is complete and its confirmation sent."""
        found = [status.epoch for status in await self.store.status.accounts()]
        return len(found) == len(self.accounts) and all(
            epoch is not None and epoch.state is EpochState.COMPLETE and epoch.sent_at is not None for epoch in found
        )

    def confirmations(self, user: User) -> list[str]:
        """Return the Message-IDs of the mails that a user got from Leadmail, in order."""
        here = f"sync.{self.accounts[user.key]}"
        return [name for name in self.mails_to(user) if here in name]

    def mails_to(self, user: User) -> list[str]:
        """Return the Message-IDs of whatever was sent to a user's address, in order."""
        sink = self.servers.sink.sent()
        mine = [sent.raw for sent in sink if user.addresses[0] in sent.recipients]
        return [
            line.split(b":", 1)[1].strip().decode()
            for raw in mine
            for line in raw.split(b"\r\n")
            if line.lower().startswith(b"message-id:")
        ]


@asynccontextmanager
async def deploy(servers: LocalServers, environment: dict[str, str], logs: Path) -> AsyncIterator[Deployment]:
    """Yield an empty deployment; its stages are stopped at the end of the block."""
    variables = {
        **environment,
        "LEADMAIL_SECRET_KEY": _KEY.hex(),
        "LEADMAIL_MAIL_FROM": "Leadmail <leadmail@northwind-instruments.example>",
        "LEADMAIL_CRM_DATABASE": environment["LEADMAIL_MONGO_DATABASE"],
        "LEADMAIL_LEASE_SECONDS": "3",
        "LEADMAIL_POLL_SECONDS": "2",
        "LEADMAIL_BLOCK_SECONDS": "1",
        "LEADMAIL_PARSER_WORKERS": "1",
    }
    settings = CliSettings.model_validate(
        {name.removeprefix("LEADMAIL_").lower(): value for name, value in variables.items()}
    )
    async with make_client(settings) as mongo:
        store = make_store(mongo[settings.mongo_database], mongo[settings.crm_database], settings)
        await store.setup()
        deployment = Deployment(
            servers,
            {**{name: value for name, value in os.environ.items() if name != "LEADMAIL_HOSTING"}, **variables},
            store,
            logs,
        )
        try:
            yield deployment
        finally:
            for stage in list(deployment.running):
                deployment.kill(stage)


PEOPLE = (*LEADS, *CONTACTS)
__all__ = ["PEOPLE", "STAGES", "USERS", "Deployment", "deploy"]
