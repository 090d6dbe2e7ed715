"""What an account's rows and state are, beside what its mailbox has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from schemas.accounts import Account, AccountState
from schemas.ledger import EpochState, Row, RowState
from services.store import Store
from testbed.servers.scripted import Listener, Message, ScriptedMailbox
from tests.lying.harness.cases import Case
from tests.poller.fixtures import CLIENT, PollerEnvironment

ENDED = (RowState.SKIPPED, RowState.GONE)


class Wrong(AssertionError):  # noqa: N818 - what a case was instead of right
    """What is not as it has to be."""


@dataclass
class Running:
    """A case under way."""

    case: Case
    account: Account
    mailbox: ScriptedMailbox
    listener: Listener
    folders: frozenset[bytes]
    """Those that are to be synchronised by now."""
    instead: asyncio.Server | None = None
    """What answers connections at first."""
    stepped: bool = False
    """Whether it was in step once."""


class Observer:
    """Looks at one case."""

    def __init__(self, world: PollerEnvironment, running: Running) -> None:
        self._world = world
        self._store: Store = world.store
        self._running = running
        self._id = running.account.id
        self._case = running.case

    async def account(self) -> Account:
        """Return the account as it is now."""
        return await self._store.accounts.get(self._id)

    async def rows(self) -> list[Row]:
        """Return all rows."""
        return [row async for row in self._store.ledger_counts.rows(self._id)]

    async def honest(self) -> None:
        """Require that nothing is called complete that is not, and that no mail has ended that may still come."""
        epoch = await self._store.epochs.get(self._id, 1)
        if not self._case.live and epoch is not None and epoch.state is EpochState.COMPLETE:
            raise Wrong("a lying server's mailbox was confirmed")
        there = {(folder.uidvalidity, uid) for folder in self._running.mailbox.folders.values() for uid in folder.uids}
        ended = [row for row in await self.rows() if row.state in ENDED and (row.uidvalidity, row.uid) in there]
        if ended:
            raise Wrong(f"mail that is there has ended: {[(row.uid, row.state.value, row.reason) for row in ended]}")

    async def active(self) -> None:
        """Require that the account is not blocked."""
        account = await self.account()
        if account.state is not AccountState.ACTIVE:
            raise Wrong(f"the account is {account.state.value}: {account.reason}")

    async def blocked(self) -> bool:
        """Whether the account is blocked, with the right reason."""
        account = await self.account()
        if account.state is AccountState.BLOCKED and account.reason != self._case.blocked:
            raise Wrong(f"blocked as {account.reason}")
        return account.state is AccountState.BLOCKED

    async def troubled(self) -> bool:
        """Whether the account shows its trouble."""
        await self.honest()
        await self.active()
        trouble = (await self.account()).trouble
        return trouble is not None and trouble.code in self._case.held

    async def untroubled(self) -> bool:
        """Whether it shows none any more; what was lost may stay shown."""
        return bool(self._case.lost) or (await self.account()).trouble is None

    async def complete(self) -> bool:
        """Whether the newest backfill is complete; raises Wrong if it says so with less than there is."""
        account = await self.account()
        await self._store.epochs.complete_if_done(account.id, account.epoch)
        epoch = await self._store.epochs.get(account.id, account.epoch)
        if epoch is None or epoch.state is not EpochState.COMPLETE:
            return False
        folders = self._running.mailbox.folders.values()
        has = sum(len(folder.uids) for folder in folders if folder.name in self._running.folders)
        if not self._case.live and not self._running.stepped and (rows := len(await self.rows())) < has:
            raise Wrong(f"complete with {rows} of {has}")
        return True

    async def in_step(self) -> bool:
        """Whether the ledger has exactly what the mailbox has."""
        return not await self.differences()

    async def differences(self) -> list[str]:
        """Return where the ledger is not what the mailbox is."""
        found: list[str] = []
        selected = [one for one in await self._store.folders.of(self._id) if one.selected and one.state.value != "gone"]
        live = {b"INBOX" if one.raw_name.upper() == b"INBOX" else one.raw_name: one for one in selected}
        if live.keys() != self._running.folders:
            found.append(f"folders {sorted(live)}, not {sorted(self._running.folders)}")
        rows = [row for row in await self.rows() if row.state is not RowState.GONE]
        for name, folder in live.items():
            there = self._running.mailbox.folders.get(name)
            if there is None:
                continue
            mine = {row.uid: row for row in rows if row.folder == folder.id and row.uidvalidity == there.uidvalidity}
            if mine.keys() != set(there.uids):
                found.append(f"{name!r}: rows {sorted(mine)}, mailbox {there.uids}")
            for message in there.messages:
                if (row := mine.get(message.uid)) is not None:
                    found += [f"{name!r} {message.uid}: {text}" for text in self._difference(name, message, row)]
        strange = {row.folder for row in rows} - {folder.id for folder in live.values()}
        return found + [f"rows of a folder that is gone: {folder}" for folder in strange]

    def _difference(self, name: bytes, message: Message, row: Row) -> list[str]:
        reasons = self._case.lost.get(message.uid) if name == b"INBOX" else None
        wanted = RowState.ATTACHED if CLIENT.encode() in message.raw else RowState.UNMATCHED
        if reasons or r"\Draft" in message.flags:
            wanted = RowState.SKIPPED
        if row.state is not wanted or (reasons and row.reason not in reasons.split("|")):
            return [f"{row.state.value} {row.reason}, not {wanted.value} {reasons or ''}"]
        if not reasons and (r"\Seen" in message.flags) != (r"\Seen" in row.flags):
            return [f"flags {row.flags}, not {message.flags}"]
        return []

    async def describe(self) -> str:
        """Return what helps to see why a case is wrong."""
        account = await self.account()
        states = sorted({f"{row.state.value} {row.reason or ''}".strip() for row in await self.rows()})
        calls = dict(self._running.mailbox.calls.most_common(8))
        trouble = account.trouble and (account.trouble.code, account.trouble.phase, account.trouble.detail)
        log = self._world.pollers[-1].log.read_text().splitlines()
        lines = [
            f"{account.state.value} {account.reason} {trouble} {states} {calls}",
            *(await self.differences())[:5],
            *[line for line in log if self._id in line][-6:],
        ]
        return "\n  ".join(lines)
