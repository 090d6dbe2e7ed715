"""Folders of accounts: documents of ``folders``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

from pymongo import ReplaceOne

from schemas.accounts import Folder, FolderState, Lease
from services.store.collections import Collections
from services.store.documents import Doc, decode, encode, plain
from services.store.fence import Fence, Session


@dataclass(frozen=True, slots=True)
class FolderPatch:
    """What changes in a folder together with a window of rows; None leaves a field as it is."""

    folder: str
    """The folder's id."""
    cursor: int | None = None
    live_next: int | None = None
    highestmodseq: int | None = None
    state: FolderState | None = None
    checked_at: datetime | None = None

    def update(self) -> Doc:
        """Return the fields to set."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "folder"}
        return {name: plain(value) for name, value in values.items() if value is not None}


class Folders:
    """What is known of the folders of each account."""

    def __init__(self, collections: Collections, fence: Fence) -> None:
        self._folders = collections.folders
        self._fence = fence

    async def of(self, account: str) -> list[Folder]:
        """Return an account's folders by name."""
        found = self._folders.find({"account": account}).sort("name")
        return [decode(Folder, document) async for document in found]

    async def names(self, accounts: Iterable[str]) -> dict[tuple[str, str], str]:
        """Return the names of all folders of some accounts by (account, folder)."""
        found = self._folders.find({"account": {"$in": list(accounts)}}, {"account": 1, "id": 1, "name": 1})
        return {(document["account"], document["id"]): document["name"] async for document in found}

    async def save(self, lease: Lease, folders: Iterable[Folder]) -> None:
        """Store folders as they are given.

        Raises:
            LeaseLostError: another poller has the account.
        """
        wanted = tuple(folders)
        await self._fence.write(lease, lambda session: self.replace(wanted, session))

    async def patch(self, lease: Lease, patch: FolderPatch) -> None:
        """Change some fields of a folder without rows (a window's come with ``ledger.add_window``).

        Raises:
            LeaseLostError: another poller has the account.
        """
        await self._fence.write(lease, lambda session: self.apply(lease.account, patch, session))

    async def replace(self, folders: tuple[Folder, ...], session: Session) -> None:
        """Store folders within a transaction."""
        writes = [
            ReplaceOne({"_id": (key := f"{folder.account}.{folder.id}")}, encode(folder, key), upsert=True)
            for folder in folders
        ]
        if writes:
            await self._folders.bulk_write(writes, ordered=False, session=session)

    async def apply(self, account: str, patch: FolderPatch, session: Session) -> None:
        """Change some fields of a folder within a transaction."""
        if update := patch.update():
            await self._folders.update_one({"_id": f"{account}.{patch.folder}"}, {"$set": update}, session=session)
