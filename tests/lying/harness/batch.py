"""Runs cases side by side on one poller process, beside accounts whose servers are healthy."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import secrets
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from time import monotonic

import pytest

from schemas.accounts import Account, ServerAddress
from schemas.messages import AccountAttention
from schemas.sharing import Mode, SharingPolicy
from services.mailbox.connection.credentials import password
from services.store import new_account_id
from testbed.local import LocalServers
from testbed.servers.scripted import Listener, ScriptedMailbox, ScriptedServer
from tests import factories
from tests.lying.harness.cases import Case
from tests.lying.harness.certificates import HOSTS, Contexts
from tests.lying.harness.mails import MARK, STRANGER, made, main_folder, new_mail, raw_mail
from tests.lying.harness.observer import Observer, Running, Wrong
from tests.lying.harness.world import memory, open_world, start_poller
from tests.poller.fixtures import CLIENT, Poller, PollerEnvironment

DEADLINE = float(os.environ.get("LEADMAIL_LYING_DEADLINE", "90"))
"""Seconds for one step of a case; a loaded machine takes its time."""
NEIGHBOURS = 3
MIB = 1024 * 1024
GROWTH, PER_ACCOUNT = 64 * MIB, 12 * MIB
"""Bytes by which a poller may grow, whatever servers send: one server, and each more that does so at the same time."""
RATE, BURST = 5.0, 40
"""Commands a second that an account may cause for long, and commands that one event may cause at once."""
LOOKED = 6.0
"""Seconds over which commands are counted."""
LOOKS = 3
"""Checks, events and the connection on Sent may each have a burst before commands come slowly."""
PAUSE = 0.8
"""Seconds between two looks at a case: dozens look at once."""
_numbers = count(1)


class Batch:
    """Some cases and their accounts."""

    def __init__(self, world: PollerEnvironment, server: ScriptedServer) -> None:
        self.world = world
        self.server = server
        self.contexts = Contexts(world.folder)
        world.environment["LEADMAIL_CA_FILE"] = str(self.contexts.authority)
        self._hosts = iter(HOSTS)
        self.users: dict[str, str] = {}
        """By account."""
        self.partial: set[str] = set()
        """Accounts whose server delivers mail in part only."""

    async def start(self, case: Case) -> Running:
        """Fill a mailbox, open its server, and connect its account."""
        number = next(_numbers)
        name = re.sub(r"[^a-z0-9]+", "-", case.name.lower())
        user, secret = f"{name}.{number}@lying.test", secrets.token_hex(12)
        mailbox = self.server.add(user, secret, case.dialect)
        _fill(mailbox, case, name)
        # An address of its own: what is bounded by host must not make one case wait for another.
        host = f"127.64.{number // 250 % 250}.{1 + number % 250}" if case.tls == "none" else next(self._hosts)
        listener = await self.server.listen(
            case.dialect,
            host=host,
            tls=self.contexts.by_name.get(case.certificate) if case.tls != "none" else None,
            encrypted=case.tls == "tls",
            faults=[] if case.live else case.login_faults(),
        )
        if case.first != "server":
            await listener.stop()
        instead = await asyncio.start_server(case.first, host, listener.port) if callable(case.first) else None
        account = await self._connect(user, secret, listener, case)
        return Running(case, account, mailbox, listener, case.folders, instead)

    async def _connect(self, user: str, secret: str, listener: Listener, case: Case) -> Account:
        number = new_account_id()
        account = Account(
            id=number,
            owner="owner@company.test",
            address=user,
            proofs=factories.confirmed(user),
            incoming=ServerAddress(host=listener.host, port=listener.port, tls=case.tls, username=user),
            credentials=self.world.box.seal(number, password(secret)),
            sharing=SharingPolicy(mode=Mode.PUBLIC),
            created_at=datetime.now(UTC),
            **case.account,
        )
        self.users[number] = user
        if case.partial:
            self.partial.add(number)
        await self.world.store.accounts.add(account)
        return account

    async def run(self, case: Case) -> None:
        """Run a case; raises Wrong."""
        running = await self.start(case)
        observer = Observer(self.world, running)
        try:
            await self._run(case, running, observer)
        except Wrong as wrong:
            raise Wrong(f"{wrong}\n  {await observer.describe()}") from None

    async def _run(self, case: Case, running: Running, observer: Observer) -> None:
        if case.live:
            await _in_step(running, observer, "before the server lies")
            running.mailbox.faults += case.faults()
            running.listener.faults += case.login_faults()
            (case.then or new_mail)(running.mailbox)
        if case.blocked:
            await _until(observer.blocked, f"blocked as {case.blocked}")
            await _until(lambda: self._told(running), "the owner is told")
            await observer.honest()
            return
        if case.held:
            await _until(observer.troubled, "the trouble is shown")
            await _quiet(running)
            await observer.honest()
            await observer.active()
            await self._heal(running)
        await _in_step(running, observer, "in the end")
        for place, step in enumerate(case.tour, 1):
            running.folders = step(running.mailbox) or running.folders
            await _in_step(running, observer, f"after step {place}")
        if not case.lost:
            new_mail(running.mailbox)
            await _in_step(running, observer, "with new mail")
        await _until(observer.untroubled, "the trouble is over")
        await _quiet(running)

    async def _heal(self, running: Running) -> None:
        """End what is wrong with a server."""
        running.mailbox.faults.clear()
        running.listener.faults.clear()
        if running.case.certificate != "good" or running.case.first != "server":
            await running.listener.stop()
            if running.instead is not None:
                running.instead.close()
            running.listener.tls = self.contexts.good
            await running.listener.start(running.listener.host)

    def _told(self, running: Running) -> bool:
        told = {one.account: one.reason for one in self.world.said(AccountAttention)}
        return told.get(running.account.id) == running.case.blocked


def _fill(mailbox: ScriptedMailbox, case: Case, name: str) -> None:
    for place in range(case.mails):
        raw = raw_mail(name, CLIENT if place % 3 else STRANGER)
        mailbox.add(raw, main_folder(mailbox), flags=[r"\Seen"] if place % 2 else [])
    for folder in sorted(case.folders - {main_folder(mailbox)}):
        for _ in range(3):
            mailbox.add(raw_mail(name), folder, flags=[r"\Seen"])
    if case.prepare:
        case.prepare(mailbox)
    if not case.live:
        mailbox.faults += case.faults()


async def _until(condition: Callable[[], object], what: str) -> None:
    end = monotonic() + DEADLINE
    while True:
        result = condition()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return
        if monotonic() > end:
            raise Wrong(f"not in {DEADLINE:.0f} s: {what}")
        await asyncio.sleep(PAUSE)


async def _in_step(running: Running, observer: Observer, when: str) -> None:
    await _until(observer.complete, f"complete, {when}")
    await _until(observer.in_step, f"the ledger equals the mailbox, {when}")
    running.stepped = True


async def _quiet(running: Running) -> None:
    """Require that few commands come when nothing happens, or nothing can: in the long run, so one look may see a burst."""
    for _ in range(LOOKS):
        spent, seconds = await _spent(running)
        if spent <= BURST + RATE * seconds:
            return
    raise Wrong(f"{spent} commands in {seconds:.1f} s")


async def _spent(running: Running) -> tuple[int, float]:
    """Return how many commands come in a while, and how long that is."""
    began, before = monotonic(), running.mailbox.calls.total()
    await _until(lambda: monotonic() - began > LOOKED, "time passes")
    return running.mailbox.calls.total() - before, monotonic() - began


async def run_batch(servers: LocalServers, folder: Path, cases: Sequence[Case]) -> dict[str, str]:
    """Run cases side by side; returns what is wrong by the name of the case, or "" for what concerns all."""
    wrong: dict[str, str] = {}
    async with open_world(servers, folder) as world, ScriptedServer() as server:
        batch = Batch(world, server)
        await world.know(CLIENT)
        poller = start_poller(world)

        async def one(case: Case) -> None:
            try:
                await batch.run(case)
            except Wrong as error:
                wrong[case.name] = str(error)
            except Exception:  # noqa: BLE001 - a case that cannot run must not end the others
                wrong[case.name] = traceback.format_exc()

        await one(Case("neighbour that comes first"))
        before = memory(poller, "VmRSS")
        healthy = [Case(f"neighbour {number}") for number in range(NEIGHBOURS)]
        await asyncio.gather(*(one(case) for case in (*healthy, *cases)))
        growth = memory(poller, "VmHWM") - before - (len(cases) - 1) * PER_ACCOUNT
        code = poller.process.poll()
        found = [] if code is None else [f"the poller ended with {code}"]
        if code is None and await asyncio.to_thread(poller.stop) != 0:  # other batches go on meanwhile
            found.append("the poller did not end in order")
        wrong[""] = "\n".join(found + _aside(batch, poller, wrong, growth))
    return wrong


def _aside(batch: Batch, poller: Poller, wrong: dict[str, str], growth: int) -> list[str]:
    """Return what is wrong beside single cases."""
    found = [f"a neighbour was disturbed: {text}" for name, text in wrong.items() if name.startswith("neighbour")]
    if growth > GROWTH:
        found.append(f"memory grew by {growth // MIB} MiB")
    log = poller.log.read_text()
    if any(secret in log for box in batch.server.mailboxes.values() for secret in (MARK, *_forms(box))):
        found.append("the log has mail or secrets")
    bodies = [
        (message.source, raw)
        for message, raw in batch.world.fetched
        if raw not in made and message.source.account not in batch.partial
    ]
    return found + [
        f"a body that no mailbox had: uid {source.uid} of {batch.users[source.account]}, {len(raw)} bytes"
        for source, raw in bodies
    ]


def _forms(box: ScriptedMailbox) -> list[str]:
    """Return a password as it could be logged: plain, and in base64 at any offset."""
    encoded = [base64.b64encode(b" " * offset + box.password.encode()).decode()[4:-4] for offset in range(3)]
    return [box.password, *encoded]


def check(case: Case, outcomes: dict[str, str]) -> None:
    """Fail with what was wrong with a case."""
    if case.name in outcomes:
        pytest.fail(f"{case.name}: {outcomes[case.name]}", pytrace=False)


def check_batch(outcomes: dict[str, str]) -> None:
    """Fail with what was wrong beside single cases: neighbours, bodies, memory, the log, the end of the process."""
    if "" in outcomes:
        pytest.fail(outcomes[""], pytrace=False)
