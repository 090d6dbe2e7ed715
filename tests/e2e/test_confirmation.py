"""The confirmation, whatever happens during a backfill: exactly one, true when it is sent, and sent in the end."""

from __future__ import annotations

import asyncio
import imaplib
import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.accounts import AccountState
from schemas.ledger import Epoch, EpochState, NotificationState, RowState
from services.cli.operations.ledger import compare
from services.cli.terminal.session import Session
from services.settings import CliSettings
from services.store import NewRecord
from testbed.local import LocalServers
from testbed.samples.person import User
from testbed.servers.imap import log_in
from tests.e2e.deployment import ROOT, STAGES, Deployment, deploy
from tests.poller.imap_proxy import Proxy, proxy

pytestmark = pytest.mark.timeout(300)
CLIENT = "client@customer.example"
HEADERS = b"BODY.PEEK[HEADER]"
"""What the poller asks for once a folder, where it holds fewer than 500 messages."""
MAILS = 6


def person(key: str) -> User:
    """Return a user whom no other test uses."""
    return User(key=key, name=key.title(), addresses=(f"{key}.{secrets.token_hex(4)}@crm.example",), sharing="public")


def raw(name: str) -> bytes:
    """Return a mail of the client's."""
    head = f"From: {CLIENT}\r\nTo: me@crm.example\r\nSubject: {name}\r\nMessage-ID: <{name}@test>\r\n"
    return f"{head}Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\ntext of {name}\r\n".encode()


class Mailbox:
    """A mailbox as another program sees it, through the standard library's client."""

    def __init__(self, deployment: Deployment, user: User) -> None:
        self.user = user
        self._deployment = deployment

    def _open(self) -> imaplib.IMAP4:
        imap = self._deployment.servers.imap
        address, password = self._deployment.addresses[self.user.key], self._deployment.passwords[self.user.key]
        return log_in(imap.host, imap.port, address, password)

    def fill(self, folder: str, names: Iterable[str]) -> None:
        """Create a folder with mails."""
        with self._open() as client:
            if folder != "INBOX":
                assert client.create(folder)[0] == "OK"
            self._append(client, folder, names)

    def receive(self, name: str) -> None:
        """Put one mail into the inbox."""
        with self._open() as client:
            self._append(client, "INBOX", [name])

    def renew(self, folder: str, names: Iterable[str]) -> None:
        """Recreate a folder with mails: they get other uids, and the folder another uidvalidity."""
        with self._open() as client:
            assert client.delete(folder)[0] == "OK"
        self.fill(folder, names)

    @staticmethod
    def _append(client: imaplib.IMAP4, folder: str, names: Iterable[str]) -> None:
        for name in names:
            assert client.append(folder, "", "", raw(name))[0] == "OK"


@pytest.fixture
async def company(servers: LocalServers, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Deployment]:
    """One contact, no mailbox yet, all stages running."""
    async with deploy(servers, environment, tmp_path) as deployment:
        await deployment.store.records.add("contact", NewRecord((CLIENT,), name="Client"))
        deployment.start(*STAGES)
        yield deployment


async def epoch_of(company: Deployment, user: User) -> Epoch:
    """Return a user's first backfill."""
    found = await company.store.epochs.get(company.accounts[user.key], 1)
    assert found is not None
    return found


async def confirmed(company: Deployment, user: User) -> bool:
    """Whether a user's first backfill is complete and its confirmation noted as sent."""
    found = await company.store.epochs.get(company.accounts[user.key], 1)
    return found is not None and found.notification is NotificationState.SENT


async def names_of(company: Deployment, user: User) -> Counter[str]:
    """Return the number of live copies that a user has of each mail on a record."""
    emails = company.store._collections.emails
    names = {email["_id"]: email["subject"] async for email in emails.find({}, {"subject": 1})}
    rows = [row async for row in company.store.ledger_counts.rows(company.accounts[user.key])]
    return Counter(names[row.email] for row in rows if row.state is RowState.ATTACHED and row.email)


async def assert_true_when_sent(company: Deployment, user: User) -> None:
    """Check that every uid of the mailbox has one row, and that the backfill's rows were final when it completed."""
    settings = CliSettings.model_validate(
        {
            name.removeprefix("LEADMAIL_").lower(): value
            for name, value in company.environment.items()
            if name.startswith("LEADMAIL_")
        }
    )
    account = company.accounts[user.key]
    (balance,) = await compare(Session(settings, company.store), account)
    assert balance.balanced, balance
    epoch = await epoch_of(company, user)
    assert epoch.completed_at is not None
    rows = [
        row
        async for row in company.store.ledger_counts.rows(account)
        if row.epoch == 1 and row.state is not RowState.GONE
    ]
    assert max((row.updated_at for row in rows), default=epoch.completed_at) <= epoch.completed_at


@dataclass
class Case:
    """A user, the mailbox, and the line between it and the poller."""

    company: Deployment
    user: User
    wire: Proxy

    @property
    def mailbox(self) -> Mailbox:
        """The mailbox."""
        return Mailbox(self.company, self.user)

    async def confirmed(self) -> bool:
        """Whether the backfill is confirmed."""
        return await confirmed(self.company, self.user)

    async def held(self) -> bool:
        """Whether the backfill has stopped before its last folder."""
        return self.wire.held.is_set()

    async def assert_in_the_middle(self) -> None:
        """Check that the backfill is neither complete nor confirmed."""
        assert (await epoch_of(self.company, self.user)).state is EpochState.ENUMERATING
        assert self.company.confirmations(self.user) == []

    def go_on(self, *, cut: bool = False) -> None:
        """Let the backfill continue, on the same connections or on new ones."""
        if cut:
            self.wire.cut()
        self.wire.go.set()


def named(user: User, folder: str) -> list[str]:
    """Return the names of the mails of a folder."""
    return [f"{user.key}-{folder}-{number}" for number in range(MAILS)]


async def begin(company: Deployment, key: str, *folders: str, stack: AsyncExitStack) -> Case:
    """Connect a mailbox with some folders. Its backfill stops before the last one."""
    user = person(key)
    await company.add_user(user, [])
    imap = company.servers.imap
    case = Case(company, user, await stack.enter_async_context(proxy(imap.host, imap.port)))
    for folder in folders:
        await asyncio.to_thread(case.mailbox.fill, folder, named(user, folder))
    if folders:
        case.wire.hold_at = (HEADERS, len(folders))
    await company.connect(user, port=case.wire.port)
    return case


async def lose_password(case: Case) -> None:
    """Change the password during the backfill: the owner is notified at once, and nothing is complete."""
    company, user = case.company, case.user
    await asyncio.to_thread(company.servers.add_user, company.addresses[user.key], "another")
    case.go_on(cut=True)

    async def notified() -> bool:
        return len(company.mails_to(user)) == 1

    await company.until(notified, "the owner is notified of the wrong password")
    blocked = await company.store.accounts.get(company.accounts[user.key])
    assert (blocked.state, blocked.reason) == (AccountState.BLOCKED, "wrong-password")
    await case.assert_in_the_middle()


async def repair_password(case: Case) -> None:
    """Enter the new password, as the mail says: the backfill resumes."""
    company, user = case.company, case.user
    company.passwords[user.key] = secrets.token_hex(8)
    await asyncio.to_thread(company.servers.add_user, company.addresses[user.key], company.passwords[user.key])
    await asyncio.to_thread(give_password, company, user)
    await company.until(case.confirmed, "confirmed after the repair")
    assert len(company.mails_to(user)) == 2


async def renew_folders(case: Case, *folders: str) -> None:
    """Give folders new uids, and one more mail, during the backfill: rows of the old uids are outdated."""
    for folder in folders:
        names = [*reversed(named(case.user, folder)), f"{case.user.key}-{folder}-new"]
        await asyncio.to_thread(case.mailbox.renew, folder, names)
    case.go_on(cut=True)


async def go_on_arriving(case: Case) -> int:
    """Deliver new mail until the confirmation is there, and check that it shows while the backfill is stopped. Return how many arrived."""
    await asyncio.to_thread(case.mailbox.receive, f"{case.user.key}-live-0")

    async def shows() -> bool:
        return (await names_of(case.company, case.user))[f"{case.user.key}-live-0"] == 1

    await case.company.until(shows, "new mail shows in the middle of a backfill")
    await case.assert_in_the_middle()
    case.go_on()
    arrived = 1
    async with asyncio.timeout(120):
        while not await case.confirmed():
            await asyncio.to_thread(case.mailbox.receive, f"{case.user.key}-live-{arrived}")
            arrived += 1
    return arrived


async def test_events_during_a_backfill(company: Deployment) -> None:
    """An empty mailbox, mail that keeps arriving, a changed password, changed uids: one confirmation each."""
    async with AsyncExitStack() as stack:
        empty = await begin(company, "empty", stack=stack)
        busy = await begin(company, "busy", "INBOX", "Old", stack=stack)
        locked = await begin(company, "locked", "INBOX", "Old", stack=stack)
        renewed = await begin(company, "renewed", "INBOX", "Old", "Projects", stack=stack)
        await company.until(empty.confirmed, "an empty mailbox is confirmed, whatever holds up the others")
        for case in (busy, locked, renewed):
            await company.until(case.held, "the backfill is held in the middle")
        await lose_password(locked)
        await renew_folders(renewed, "Old", "Projects")
        arrived = await go_on_arriving(busy)
        await company.until(renewed.confirmed, "the mailbox with new uids is confirmed")
        await repair_password(locked)

        async def quiet() -> bool:
            return not await company.store.backlog.waiting()

        await company.until(quiet, "nothing is unfinished")
        for case in (empty, busy, locked, renewed):
            assert len(company.confirmations(case.user)) == 1, case.user.key
            await assert_true_when_sent(company, case.user)
        wanted = [name for folder in ("INBOX", "Old") for name in named(busy.user, folder)]
        wanted += [f"busy-live-{number}" for number in range(arrived)]
        assert await names_of(company, busy.user) == Counter(wanted)
        wanted = [name for folder in ("INBOX", "Old", "Projects") for name in named(renewed.user, folder)]
        assert await names_of(company, renewed.user) == Counter([*wanted, "renewed-Old-new", "renewed-Projects-new"])


def give_password(company: Deployment, user: User) -> None:
    """Do what the mail asks the owner to do."""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "account", "password", user.addresses[0], "--password-stdin"],
        cwd=ROOT,
        env={**os.environ, **company.environment},
        input=company.passwords[user.key].encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


async def test_it_is_never_early_and_is_repeated_as_the_same_mail(company: Deployment) -> None:
    """It waits for every mail; a notifier that dies between sending and marking sends the same mail again."""
    user = person("early")
    await company.add_user(user, [])
    await asyncio.to_thread(Mailbox(company, user).fill, "INBOX", [f"early-{number}" for number in range(MAILS)])
    company.running["parser"].send_signal(signal.SIGSTOP)
    await company.connect(user)

    async def sealed() -> bool:
        found = await company.store.epochs.get(company.accounts[user.key], 1)
        return found is not None and found.state is not EpochState.ENUMERATING

    await company.until(sealed, "every message has its row")
    account = company.accounts[user.key]
    assert not await company.store.epochs.complete_if_done(account, 1), "its rows are with a parser that does not go on"
    assert company.confirmations(user) == []

    with company.servers.sink.fault(at="silent", recipient=user.addresses[0]):
        company.running["parser"].send_signal(signal.SIGCONT)

        async def handed_over() -> bool:
            return len(company.confirmations(user)) == 1

        await company.until(handed_over, "the mail server has the confirmation, and does not answer")
        company.kill("notifier")
    assert (await epoch_of(company, user)).notification is NotificationState.SENDING
    await _age_the_claim(company, account)
    company.start("notifier")
    await company.until(lambda: confirmed(company, user), "confirmed")
    first, second = company.confirmations(user)
    assert first == second
    await assert_true_when_sent(company, user)


async def _age_the_claim(company: Deployment, account: str) -> None:
    """Let the time pass after which a claim counts as that of a dead notifier."""
    claimed = (await company.store.epochs.get(account, 1)).claimed_at  # type: ignore[union-attr]
    assert claimed is not None
    earlier = {"$set": {"claimed_at": claimed - timedelta(hours=1)}}
    await company.store._collections.epochs.update_one({"_id": f"{account}.1"}, earlier)
