"""Folders of accounts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

from pymongo import ReplaceOne

from schemas.accounts import Lease
from schemas.ledger import EpochState, Folder, FolderState
from schemas.threads import ALL_MAIL, SENT_FOLDER
from services.store.core.collections import Collections
from services.store.core.documents import Doc, decode, encode, plain
from services.store.core.errors import FolderChangedError
from services.store.core.fence import Fence, MongoSession
from services.store.core.pending_work import PendingWork


@dataclass(frozen=True, slots=True)
class FolderPatch:
    """Changes of a folder that belong to a window of rows. None leaves a field unchanged."""

    folder: str
    """The folder's id."""
    uidvalidity: int | None = None
    """The uidvalidity that the change is for; a folder with another one refuses it. None if the change is about no uids."""
    cursor: int | None = None
    live_next: int | None = None
    highestmodseq: int | None = None
    state: FolderState | None = None
    checked_at: datetime | None = None
    expected: int | None = None
    found: int | None = None

    def update(self) -> Doc:
        """Return the fields to set."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        del values["folder"], values["uidvalidity"]
        return {name: plain(value) for name, value in values.items() if value is not None}


class Folders:
    """Stores the folders of each account. Writes with a lease raise LeaseLostError if another poller has the account."""

    def __init__(self, collections: Collections, fence: Fence) -> None:
        self._folders = collections.folders
        self._epochs = collections.epochs
        self._fence = fence
        self._pending = PendingWork(collections)

    async def of(self, account: str) -> list[Folder]:
        """Return an account's folders, sorted by name."""
        found = self._folders.find({"account": account}).sort("name")
        return [decode(Folder, document) async for document in found]

    async def names(self, accounts: Iterable[str]) -> dict[tuple[str, str], str]:
        """Return the folder names of accounts by (account, folder)."""
        found = self._folders.find({"account": {"$in": list(accounts)}}, {"account": 1, "id": 1, "name": 1})
        return {(document["account"], document["id"]): document["name"] async for document in found}

    async def roles(self, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Return the roles of folders by (account, folder), without folders that are not known."""
        keys = [f"{account}.{folder}" for account, folder in places]
        if not keys:
            return {}
        found = self._folders.find({"_id": {"$in": keys}}, {"account": 1, "id": 1, "role": 1})
        return {(document["account"], document["id"]): document["role"] async for document in found}

    async def save(self, lease: Lease, folders: Iterable[Folder]) -> None:
        """Store folders."""
        wanted = tuple(folders)
        await self._fence.write(lease, lambda session: self.replace(wanted, session))

    async def renew(self, lease: Lease, folder: Folder) -> Folder:
        """Store a recreated folder, whose old uids are void.

        An open backfill enumerates it again from ``uidnext``. Without one, all its mail counts as live.

        One transaction covers both, so that the backfill cannot be sealed in between without the folder.
        """

        async def write(session: MongoSession) -> Folder:
            enumerating = {"_id": f"{lease.account}.{folder.epoch}", "state": EpochState.ENUMERATING.value}
            backfill = await self._epochs.find_one(enumerating, {"_id": 1}, session=session)
            anchor = folder.uidnext if backfill else 1
            state = FolderState.ENUMERATING if anchor > 1 else FolderState.ENUMERATED
            restart = {"uidnext": anchor, "cursor": anchor, "live_next": anchor, "state": state, "checked_at": None}
            renewed = folder.model_copy(update=restart)
            await self.replace((renewed,), session)
            return renewed

        return await self._fence.write(lease, write)

    async def enumerated(self, account: str, session: MongoSession) -> bool:
        """Return, within a transaction, whether every synchronised folder is enumerated."""
        left = {"account": account, "selected": True, "state": FolderState.ENUMERATING.value}
        return await self._folders.find_one(left, {"_id": 1}, session=session) is None

    async def patch(self, lease: Lease, patch: FolderPatch) -> None:
        """Change fields of a folder without rows. Changes that belong to a window go through ``poller_ledger.add_window``.

        Raises:
            LeaseLostError: another poller has the account.
            FolderChangedError: the folder was recreated.
        """
        await self._fence.write(lease, lambda session: self.apply(lease.account, patch, session))

    async def replace(self, folders: tuple[Folder, ...], session: MongoSession) -> None:
        """Store folders within a transaction, and enqueue the mail of those that become or cease to be a place for sent mail."""
        writes = [
            ReplaceOne({"_id": (key := f"{folder.account}.{folder.id}")}, encode(folder, key), upsert=True)
            for folder in folders
        ]
        if not writes:
            return
        ids = [f"{folder.account}.{folder.id}" for folder in folders]
        found = self._folders.find({"_id": {"$in": ids}}, {"role": 1}, session=session)
        before = {document["_id"]: document["role"] async for document in found}
        await self._folders.bulk_write(writes, ordered=False, session=session)
        moved = [
            (folder.account, folder.id)
            for key, folder in zip(ids, folders, strict=True)
            if before.get(key, folder.role) != folder.role and {before[key], folder.role} & {SENT_FOLDER, ALL_MAIL}
        ]
        if moved:
            await self._pending.enqueue(folders=moved, session=session)

    async def apply(self, account: str, patch: FolderPatch, session: MongoSession) -> Doc | None:
        """Change fields of a folder within a transaction. Returns its ``uidnext`` and ``epoch`` if it exists and the patch changes any."""
        if not (update := patch.update()):
            return None
        which: Doc = {"_id": f"{account}.{patch.folder}"}
        if patch.uidvalidity is not None:
            which["uidvalidity"] = patch.uidvalidity
        anchor = {"uidnext": 1, "epoch": 1}
        folder = await self._folders.find_one_and_update(which, {"$set": update}, projection=anchor, session=session)
        if patch.uidvalidity is not None and folder is None:
            raise FolderChangedError(f"folder {patch.folder} has other uids than those of {patch.uidvalidity}")
        return folder
