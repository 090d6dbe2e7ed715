"""A mailbox, its pollers, the queue, the matchers and the notifier, taken apart into steps: any of them may be the last one of a process.

What is stored is stored by the real methods of the store, in the order in which the stages call them; what the stages keep in
memory, the mail server and the broker are here. Everything that a crash loses is lost by `crash`; what a poller that lost its lease
still believes so tries to write, and must fail.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from schemas.accounts import Lease
from schemas.identity import copy_id, folder_id
from schemas.ledger import FINAL, UNFINISHED, Folder, FolderState, Row, RowState
from schemas.sharing import Mode
from services.store import FolderPatch, LeaseLostError, RowOutcome, Store, new_account_id
from tests.factories import account, folder, row

FOLDERS = ("INBOX", "Sent")
WINDOW = 2
NOW = timedelta(0)
"""Older than this is anything: time that had to pass has passed."""
UNFINISHED_STATES = frozenset(state.value for state in UNFINISHED)
FINAL_STATES = frozenset(state.value for state in FINAL)


@dataclass
class ServerFolder:
    """A folder as the mail server has it."""

    uidvalidity: int = 1
    uidnext: int = 1
    uids: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Fetched:
    """A message on the queue: the body of a copy."""

    row: str
    epoch: int | None
    attempt: int


@dataclass
class Poller:
    """What one poller has in memory about the account."""

    name: str
    lease: Lease | None = None
    folders: dict[str, Folder] = field(default_factory=dict)
    epoch: int = 0
    confirmed: list[str] = field(default_factory=list)
    """Rows whose messages the broker has, and that are not marked yet."""


@dataclass
class Anchor:
    """What a backfill must have covered before it is confirmed: folder, uidvalidity and uids when it opened."""

    uids: dict[str, tuple[int, frozenset[int]]]


class Mailroom:
    """One account with everything around it. Every method is one step of one process."""

    def __init__(self, store: Store, database: AsyncDatabase[dict[str, Any]]) -> None:
        self.store = store
        self.data = database
        self.id = new_account_id()
        self.server = {name: ServerFolder() for name in FOLDERS}
        self._names = count()
        self.pollers = [Poller(f"{self.id}-{next(self._names)}") for _ in range(2)]
        self.queue: list[Fetched] = []
        self.handled: list[Fetched] = []
        """Messages that were taken from the queue; another process may have stood still with one of them."""
        self.events: list[int] = []
        """Backfills that were said to be complete; taken from here by the notifier."""
        self.claimed: list[int] = []
        self.sent: list[int] = []
        self.unnoted: set[int] = set()
        """Backfills whose confirmation went out and was not noted because the notifier died: it may go out again."""
        self.anchors: dict[int, Anchor] = {}
        self.been_final: set[str] = set()
        """Rows that had a final state at some time: who set them back took them out of their backfill."""
        self.completed: set[int] = set()

    async def connect(self) -> None:
        """Connect the mailbox."""
        await self.store.accounts.add(
            account(f"{self.id}@corp.example", Mode.PRIVATE, owner="owner@corp.example", id=self.id)
        )

    async def forget(self) -> None:
        """Remove everything that the next run could meet."""
        for name in ("ledger", "folders", "epochs"):
            await self.data[name].delete_many({"account": self.id})
        await self.data.accounts.delete_one({"_id": self.id})
        for poller in self.pollers:
            if poller.lease is not None:
                await self.store.leases._fence.forget(poller.lease)

    # -- the mail server ---------------------------------------------------------------------------------------------

    def arrive(self, name: str, mails: int) -> None:
        """Deliver mail."""
        folder = self.server[name]
        folder.uids.update(range(folder.uidnext, folder.uidnext + mails))
        folder.uidnext += mails

    def expunge(self, name: str, which: int) -> None:
        """Delete one mail, as some device does."""
        if uids := sorted(self.server[name].uids):
            self.server[name].uids.discard(uids[which % len(uids)])

    def renumber(self, name: str) -> None:
        """Give every mail a new uid, as the server does."""
        folder = self.server[name]
        folder.uidvalidity += 1
        folder.uids = set(range(1, len(folder.uids) + 1))
        folder.uidnext = len(folder.uids) + 1

    # -- leases ------------------------------------------------------------------------------------------------------

    async def acquire(self, number: int) -> None:
        """Let a poller take the account if it is free."""
        poller = self.pollers[number]
        leases = [lease for lease in await self.store.leases.acquire(poller.name, 1) if lease.account == self.id]
        if leases:
            await self._begin(poller, leases[0])

    async def _begin(self, poller: Poller, lease: Lease) -> None:
        """Read what a worker reads when it starts."""
        poller.lease = lease
        poller.confirmed = []
        poller.folders = {folder.id: folder for folder in await self.store.folders.of(self.id)}
        poller.epoch = (await self.store.accounts.get(self.id)).epoch

    async def expire(self) -> None:
        """Let the lease expire: its holder was paused for long, or died."""
        await self.data.accounts.update_one(
            {"_id": self.id, "lease.expires": {"$exists": True}},
            {"$set": {"lease.expires": datetime(2020, 1, 1, tzinfo=UTC)}},
        )

    async def renew(self, number: int) -> None:
        """Renew a poller's lease; it drops the account if the lease is lost."""
        poller = self.pollers[number]
        if poller.lease is not None and await self.store.leases.renew([poller.lease]):
            await self.crash(number)

    async def release(self, number: int) -> None:
        """Release a poller's lease."""
        poller = self.pollers[number]
        if poller.lease is not None:
            await self.store.leases.release([poller.lease])
            await self.crash(number)

    async def crash(self, number: int) -> None:
        """Kill a poller: its memory is lost. Its lease lasts until it expires."""
        poller = self.pollers[number]
        if poller.lease is not None:
            await self.store.leases._fence.forget(poller.lease)
        poller.lease, poller.folders, poller.confirmed, poller.epoch = None, {}, [], 0
        poller.name = f"{self.id}-{next(self._names)}"  # each process has its own name

    async def _written(self, poller: Poller, write: Any) -> bool:
        """Let a poller write; False if it finds the account lost. A superseded token must change nothing."""
        assert poller.lease is not None
        account = await self.data.accounts.find_one({"_id": self.id})
        assert account is not None
        holder = account.get("lease", {})
        valid = (holder.get("holder"), holder.get("token")) == (poller.lease.holder, poller.lease.token)
        before = None if valid else await self.dump()
        try:
            await write
        except LeaseLostError:
            assert not valid, "the holder of the lease was refused"
            assert await self.dump() == before, "a superseded token wrote"
            await self.crash(self.pollers.index(poller))
            return False
        assert valid or await self.dump() == before, "a superseded token wrote"  # there may have been nothing to write
        return True

    async def dump(self) -> list[Any]:
        """Return everything that a poller could write."""
        return [
            [one async for one in self.data[name].find({"account": self.id}).sort("_id", 1)]
            for name in ("ledger", "folders", "epochs")
        ]

    # -- the poller --------------------------------------------------------------------------------------------------

    async def open_epoch(self, number: int) -> None:
        """Let a poller open a backfill if one was requested."""
        poller = self.pollers[number]
        account = await self.store.accounts.get(self.id)
        if poller.lease is None or not account.resync_requested:
            return
        folders = [self._anchored(name) for name in FOLDERS]
        anchor = Anchor({name: (folder.uidvalidity, frozenset(folder.uids)) for name, folder in self.server.items()})
        if await self._written(poller, self.store.epochs.start(poller.lease, folders, expected=0)):
            poller.epoch = (await self.store.accounts.get(self.id)).epoch
            self.anchors[poller.epoch] = anchor
            poller.folders = {folder.id: folder.model_copy(update={"epoch": poller.epoch}) for folder in folders}

    def _anchored(self, name: str) -> Folder:
        there = self.server[name]
        return folder(
            self.id,
            id=folder_id(name.encode()),
            raw_name=name.encode(),
            name=name,
            role="inbox" if name == "INBOX" else "sent",
            uidvalidity=there.uidvalidity,
            uidnext=there.uidnext,
            cursor=there.uidnext,
            live_next=there.uidnext,
        )

    async def enumerate(self, number: int, name: str) -> None:
        """Let a poller write the next window of its backfill."""
        poller, there = self.pollers[number], self.server[name]
        folder = poller.folders.get(folder_id(name.encode()))
        if poller.lease is None or folder is None or folder.cursor <= 1 or folder.uidvalidity != there.uidvalidity:
            return
        uids = sorted(uid for uid in there.uids if uid < folder.cursor)[-WINDOW:]
        low = uids[0] if len(uids) == WINDOW else 1
        rows = [self._row(folder, uid, poller.epoch) for uid in uids]
        state = FolderState.ENUMERATED if low == 1 else None
        patch = FolderPatch(folder.id, folder.uidvalidity, cursor=low, state=state)
        if await self._written(poller, self.store.poller_ledger.add_window(poller.lease, rows, folder=patch)):
            poller.folders[folder.id] = folder.model_copy(update={"cursor": low})

    def _row(self, folder: Folder, uid: int, epoch: int | None) -> Row:
        return row(
            self.id,
            uid,
            RowState.PLANNED if uid % 3 else RowState.UNMATCHED,
            epoch=epoch,
            folder=folder.id,
            uidvalidity=folder.uidvalidity,
            marks=(b"mark",),
        )

    async def renew_folder(self, number: int, name: str) -> None:
        """Let a poller notice that a folder's uids are no longer valid, and recreate its rows."""
        poller, there = self.pollers[number], self.server[name]
        folder = poller.folders.get(folder_id(name.encode()))
        if poller.lease is None or folder is None or folder.uidvalidity == there.uidvalidity:
            return
        renewed = folder.model_copy(update={"uidvalidity": there.uidvalidity, "uidnext": there.uidnext})
        if await self._written(poller, self.store.folders.renew(poller.lease, renewed)):
            stored = await self.store.folders.of(self.id)
            poller.folders[folder.id] = next(one for one in stored if one.id == folder.id)

    async def verify_and_seal(self, number: int) -> None:
        """Let a poller compare every folder with the server, add what is missing, and seal the backfill."""
        poller = self.pollers[number]
        epoch = await self.store.epochs.get(self.id, poller.epoch)
        if poller.lease is None or epoch is None or epoch.sealed_at is not None or not poller.folders:
            return
        if any(folder.cursor > 1 for folder in poller.folders.values()):
            return
        for name, there in self.server.items():
            folder = poller.folders[folder_id(name.encode())]
            if folder.uidvalidity != there.uidvalidity:
                return
            known = {
                one.uid
                for one in await self.store.ledger.uids(self.id, folder.id, folder.uidvalidity, 1, folder.uidnext - 1)
            }
            below = {uid for uid in there.uids if uid < folder.uidnext}
            if not await self._gone(poller, folder, known - below):
                return
            rows = [self._row(folder, uid, poller.epoch) for uid in sorted(below - known)]
            if rows and not await self._written(poller, self.store.poller_ledger.add_window(poller.lease, rows)):
                return
            through = FolderPatch(folder.id, folder.uidvalidity, cursor=1, state=FolderState.ENUMERATED)
            if not await self._drop_superseded(poller, folder) or not await self._written(
                poller, self.store.folders.patch(poller.lease, through)
            ):
                return
        await self._written(poller, self.store.epochs.seal(poller.lease, poller.epoch))

    async def _drop_superseded(self, poller: Poller, folder: Folder) -> bool:
        for uidvalidity in await self.store.ledger.uidvalidities(self.id, folder.id):
            if uidvalidity != folder.uidvalidity:
                assert poller.lease is not None
                voids = await self.store.ledger.uids(self.id, folder.id, uidvalidity)
                if voids and not await self._written(
                    poller, self.store.poller_ledger.gone_folder(poller.lease, folder.id, uidvalidity)
                ):
                    return False
        return True

    async def _gone(self, poller: Poller, folder: Folder, uids: Iterable[int]) -> bool:
        ids = [copy_id(self.id, folder.id, folder.uidvalidity, uid) for uid in sorted(uids)]
        assert poller.lease is not None
        return not ids or await self._written(poller, self.store.poller_ledger.gone(poller.lease, ids))

    async def follow(self, number: int, name: str) -> None:
        """Let a poller take over what arrived and what was deleted since it last looked."""
        poller, there = self.pollers[number], self.server[name]
        folder = poller.folders.get(folder_id(name.encode()))
        if poller.lease is None or folder is None or folder.uidvalidity != there.uidvalidity:
            return
        new = sorted(uid for uid in there.uids if uid >= folder.live_next)
        if new:
            rows = [self._row(folder, uid, None) for uid in new]
            patch = FolderPatch(folder.id, folder.uidvalidity, live_next=new[-1] + 1)
            if not await self._written(poller, self.store.poller_ledger.add_window(poller.lease, rows, folder=patch)):
                return
            folder = poller.folders[folder.id] = folder.model_copy(update={"live_next": new[-1] + 1})
        known = {one.uid for one in await self.store.ledger.uids(self.id, folder.id, folder.uidvalidity)}
        if not await self._gone(poller, folder, known - there.uids):
            return
        if folder.cursor <= 1:
            await self._drop_superseded(poller, folder)

    async def publish(self, number: int) -> None:
        """Publish the bodies of planned rows. A separate step marks them."""
        poller = self.pollers[number]
        if poller.lease is None:
            return
        for planned in await self.store.ledger.planned(self.id):
            if planned.id in poller.confirmed:
                continue
            name = next(name for name in FOLDERS if folder_id(name.encode()) == planned.folder)
            there = self.server[name]
            if there.uidvalidity == planned.uidvalidity and planned.uid in there.uids:
                self.queue.append(Fetched(planned.id, planned.epoch, planned.attempts + 1))
                poller.confirmed.append(planned.id)
            elif not await self._written(poller, self.store.poller_ledger.gone(poller.lease, [planned.id])):
                return

    async def mark(self, number: int) -> None:
        """Mark published rows."""
        poller = self.pollers[number]
        if poller.lease is not None and poller.confirmed:
            rows, poller.confirmed = poller.confirmed, []
            await self._written(poller, self.store.poller_ledger.published(poller.lease, rows))

    async def reap(self, number: int) -> None:
        """Let the reaper treat every published row as too old."""
        poller = self.pollers[number]
        if poller.lease is not None and not poller.confirmed:
            await self._written(poller, self.store.poller_ledger.replan_stale(poller.lease, older_than=NOW))

    # -- the matcher -------------------------------------------------------------------------------------------------

    async def handle(self, which: int, outcome: str, dies: str) -> None:
        """Let a matcher (or what keeps the dead letters) handle a message; a crash leaves it on the queue.

        Args:
            which: of the queue.
            outcome: `attached`, `unmatched`, `dead`, or `lost` (the blobs went meanwhile: it is to be fetched again).
            dies: `never`, `before` or `after` the backfill was completed.
        """
        if not self.queue:
            return
        message = self.queue[which % len(self.queue)]
        if outcome == "dead":
            await self.store.matcher_ledger.quarantine(message.row, "parser-died", message.attempt)
        elif outcome == "lost":
            await self.store.matcher_ledger.replan_rows([message.row])
        else:
            final = self._outcome(message, outcome)
            changed = (await self.store.matcher_ledger.finish([final])).changed
            if message.row in changed:  # it looks again, and decides
                await self.store.matcher_ledger.finish([final._replace(before=changed[message.row])])
        await self._note_final()
        if dies == "before":
            return
        if message.epoch is not None:
            await self.complete(message.epoch, heard=dies == "never")
        if dies == "never":
            self.queue.remove(message)
            self.handled.append(message)

    async def thaw(self, which: int, outcome: str) -> None:
        """Let a matcher that stood still write its outcome for a message that another one handled, and die: it decides nothing."""
        if not self.handled:
            return
        message = self.handled[which % len(self.handled)]
        before = await self.store.ledger.get(message.row)
        if outcome == "dead":
            await self.store.matcher_ledger.quarantine(message.row, "parser-died", message.attempt)
        elif outcome != "lost":
            await self.store.matcher_ledger.finish([self._outcome(message, outcome)])
        after = await self.store.ledger.get(message.row)
        # What is on its way may get a final state. What has one, or was planned again since, keeps its state.
        planned = before is not None and before.state == RowState.PLANNED and before.attempts <= message.attempt
        if before is not None and not planned and before.state != RowState.PUBLISHED:
            assert after is not None
            assert (after.state, after.email) == (before.state, before.email), "an overtaken outcome was stored"
        await self._note_final()

    @staticmethod
    def _outcome(message: Fetched, outcome: str) -> RowOutcome:
        email = f"v1-{message.row[-40:].replace('.', '0')}" if outcome == "attached" else None
        return RowOutcome(message.row, RowState(outcome), email=email, publication=message.attempt)

    async def complete(self, number: int, *, heard: bool = True) -> None:
        """Complete a backfill if it is done, as matcher, poller and sweeper do; a process that dies then publishes no event."""
        if await self.store.epochs.complete_if_done(self.id, number):
            assert number not in self.completed, "completed twice"
            self.completed.add(number)
            await self._check_completed(number)
            if heard:
                self.events.append(number)

    async def late_contact(self) -> None:
        """Add a contact: all copies that were not relevant are fetched."""
        await self.store.matcher_ledger.replan_by_hashes([b"mark"])

    # -- the notifier ------------------------------------------------------------------------------------------------

    async def claim(self, *, stale: bool) -> None:
        """Let a notifier claim the confirmation of an event, or one that is due; `stale`: after the claims of dead notifiers expired."""
        after = NOW if stale else timedelta(hours=1)
        if self.events and not stale:
            epoch = await self.store.epochs.claim(self.id, self.events.pop(0), stale=after)
        else:
            found = await self.data.epochs.find_one({"account": self.id, "notification": {"$in": ["due", "sending"]}})
            epoch = await self.store.epochs.claim(self.id, found["number"], stale=after) if found else None
        if epoch:
            assert stale or epoch.number not in self.claimed, "claimed twice at a time"
            # A claim expires only if its notifier is dead (6.6): that one sends nothing any more.
            self.claimed = [*(number for number in self.claimed if number != epoch.number), epoch.number]

    async def send(self, *, noted: bool) -> None:
        """Let the notifier send what it has claimed, and note it, unless it dies in between."""
        if not self.claimed:
            return
        number = self.claimed.pop(0)
        again = number in self.sent
        assert not again or number in self.unnoted, "confirmed twice without a crash"
        self.sent.append(number)
        if noted:
            await self.store.epochs.sent(self.id, number)
            self.unnoted.discard(number)
        else:
            self.unnoted.add(number)

    # -- what has to hold ----------------------------------------------------------------------------------------------

    async def _rows(self) -> dict[str, dict[str, Any]]:
        return {one["_id"]: one async for one in self.data.ledger.find({"account": self.id})}

    async def _note_final(self) -> None:
        self.been_final |= {key for key, row in (await self._rows()).items() if row["state"] in FINAL_STATES}

    async def _check_completed(self, number: int) -> None:
        """Check that it is never early: every mail that existed when the backfill opened, and still does, has had a final state."""
        rows = await self._rows()
        for name, (uidvalidity, uids) in self.anchors[number].uids.items():
            there = self.server[name]
            if there.uidvalidity != uidvalidity:
                continue
            for uid in uids & there.uids:
                key = copy_id(self.id, folder_id(name.encode()), uidvalidity, uid)
                assert key in rows, f"confirmed early: no row of {name} {uid}"
                row = rows[key]
                early = row["state"] in UNFINISHED_STATES and key not in self.been_final
                assert not early, f"confirmed early: {name} {uid} is {row['state']}"

    async def check(self) -> None:
        """I3: what is complete was sealed, and nothing of it is unfinished; what was confirmed is complete."""
        rows = (await self._rows()).values()
        self.been_final |= {row["_id"] for row in rows if row["state"] in FINAL_STATES}
        async for epoch in self.data.epochs.find({"account": self.id}):
            unfinished = [row for row in rows if row["epoch"] == epoch["number"] and row["state"] in UNFINISHED_STATES]
            if epoch["state"] == "complete":
                assert epoch["sealed_at"] is not None
                assert not unfinished, "complete, and something is unfinished"
            else:
                assert epoch["number"] not in self.sent, "confirmed before it was complete"

    async def come_to_rest(self) -> None:
        """Let every process live and work until nothing is left to do: then I1 and I4 hold."""
        for number in (0, 1):
            await self.crash(number)
        await self.expire()
        await self.acquire(0)
        for _ in range(8):
            await self.open_epoch(0)
            for name in FOLDERS:
                await self.renew_folder(0, name)
                while any(folder.cursor > 1 and folder.name == name for folder in self.pollers[0].folders.values()):
                    await self.enumerate(0, name)
                await self.follow(0, name)
            await self.publish(0)
            await self.mark(0)
            await self.verify_and_seal(0)
            while self.queue:
                await self.handle(0, "attached", "never")
            await self.reap(0)
            for _, epoch in [one for one in await self.store.epochs.sealed() if one[0] == self.id]:
                await self.complete(epoch)
            if await self._nothing_left():
                break
        self.claimed.clear()
        while await self.data.epochs.find_one({"account": self.id, "notification": {"$in": ["due", "sending"]}}):
            await self.claim(stale=True)
            await self.send(noted=True)
        await self.check()
        await self._check_rest()

    async def _nothing_left(self) -> bool:
        incomplete = {"account": self.id, "state": {"$ne": "complete"}}
        unfinished = {"account": self.id, "state": {"$in": list(UNFINISHED_STATES)}}
        return not (await self.data.epochs.find_one(incomplete) or await self.data.ledger.find_one(unfinished))

    async def _check_rest(self) -> None:
        rows = {key: row for key, row in (await self._rows()).items() if row["state"] != "gone"}
        wanted = {
            copy_id(self.id, folder_id(name.encode()), folder.uidvalidity, uid)
            for name, folder in self.server.items()
            for uid in folder.uids
        }
        assert rows.keys() == wanted, "the ledger's rows are the server's mails"
        assert all(row["state"] in FINAL_STATES for row in rows.values()), "every row has its final state"
        epochs = {one["number"]: one async for one in self.data.epochs.find({"account": self.id})}
        assert max(self.anchors) in epochs, "the newest backfill is there"
        for number, epoch in epochs.items():
            assert epoch["state"] == "complete"
            assert epoch["notification"] == "sent"
            assert number in self.sent, "a complete backfill is confirmed"
        assert set(self.sent) == set(epochs), "one that was superseded is never confirmed"
