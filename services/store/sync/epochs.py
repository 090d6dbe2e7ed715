"""Backfills: opened, sealed, complete, confirmed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from pymongo import ReturnDocument

from schemas.accounts import Lease
from schemas.ledger import Epoch, EpochState, Folder, NotificationState
from services.store.core.collections import Collections
from services.store.core.documents import Doc, decode, encode, now
from services.store.core.errors import FolderChangedError
from services.store.core.fence import Fence, MongoSession
from services.store.ledger.folders import Folders
from services.store.ledger.ledger_rows import UNFINISHED_STATES


class Epochs:
    """Takes a backfill from its first folder to its confirmation."""

    def __init__(self, collections: Collections, fence: Fence, folders: Folders) -> None:
        self._epochs = collections.epochs
        self._accounts = collections.accounts
        self._ledger = collections.ledger
        self._fence = fence
        self._folders = folders

    async def start(self, lease: Lease, folders: Iterable[Folder], *, expected: int) -> Epoch:
        """Open the account's next backfill with the anchors of its folders, in one transaction, and clear the request for it.

        It supersedes an incomplete backfill, whose document is deleted. Every unfinished row now belongs to the new one: rows of
        the superseded backfill, so that one confirmation covers both, and live mail being processed, which is
        below the new anchors.

        ``folders`` are all folders, the selected ones with uidvalidity, uidnext, cursor and highestmodseq; ``expected`` is the
        server's count of their messages.

        Raises:
            LeaseLostError: another poller has the account.
        """
        wanted = tuple(folders)

        async def write(session: MongoSession) -> Epoch:
            account = await self._accounts.find_one_and_update(
                {"_id": lease.account},
                {"$inc": {"epoch": 1}, "$set": {"resync_requested": False}},
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            assert account is not None  # the fence has just written to it
            epoch = Epoch(account=lease.account, number=account["epoch"], opened_at=now(), expected=expected)
            superseded: Doc = {"account": lease.account, "state": {"$ne": EpochState.COMPLETE.value}}
            await self._epochs.delete_many(superseded, session=session)
            unfinished = {"account": lease.account, "state": UNFINISHED_STATES}
            await self._ledger.update_many(unfinished, {"$set": {"epoch": epoch.number}}, session=session)
            await self._epochs.insert_one(encode(epoch, f"{epoch.account}.{epoch.number}"), session=session)
            numbered = tuple(folder.model_copy(update={"epoch": epoch.number}) for folder in wanted)
            await self._folders.replace(numbered, session)
            return epoch

        return await self._fence.write(lease, write)

    async def seal(self, lease: Lease, number: int) -> None:
        """Note that every selected folder is enumerated and no row will be added. Then call ``complete_if_done``.

        Raises:
            LeaseLostError: another poller has the account.
            FolderChangedError: a folder was recreated meanwhile and must be enumerated again.
        """
        query = {"_id": f"{lease.account}.{number}", "state": EpochState.ENUMERATING.value}
        update = {"$set": {"state": EpochState.SEALED.value, "sealed_at": now()}}

        async def write(session: MongoSession) -> None:
            if not await self._folders.enumerated(lease.account, session):
                raise FolderChangedError(f"account {lease.account} has folders that are not enumerated")
            await self._epochs.update_one(query, update, session=session)

        await self._fence.write(lease, write)

    async def complete_if_done(self, account: str, number: int) -> bool:
        """Complete a sealed backfill that has no unfinished rows. The same write makes the notification due.

        Returns whether this call completed it. Exactly one call does, and its caller publishes ``SyncCompleted``.

        Two reads and a write suffice, without a transaction. After sealing, the set of the epoch's unfinished rows only
        shrinks: no window adds rows, a row that leaves a final state also leaves its epoch, and a row that is planned again
        from an unfinished state was in the set before. So "sealed, and none unfinished" stays true once it is
        true, and the update's condition on the state lets one of several callers succeed.
        """
        key = f"{account}.{number}"
        sealed = {"_id": key, "state": EpochState.SEALED.value}
        if await self._epochs.find_one(sealed, {"_id": 1}) is None:
            return False
        unfinished = {"account": account, "epoch": number, "state": UNFINISHED_STATES}
        if await self._ledger.find_one(unfinished, {"_id": 1}) is not None:
            return False
        done = {
            "state": EpochState.COMPLETE.value,
            "completed_at": now(),
            "notification": NotificationState.DUE.value,
        }
        return bool((await self._epochs.update_one(sealed, {"$set": done})).modified_count)

    async def sealed(self) -> list[tuple[str, int]]:
        """Return (account, number) of backfills that wait for their last rows. For the sweeper."""
        found = self._epochs.find({"state": EpochState.SEALED.value}, {"account": 1, "number": 1})
        return [(document["account"], document["number"]) async for document in found]

    async def get(self, account: str, number: int) -> Epoch | None:
        """Return a backfill."""
        document = await self._epochs.find_one({"_id": f"{account}.{number}"})
        return None if document is None else decode(Epoch, document)

    async def newest(self, of: Iterable[tuple[str, int]]) -> dict[str, Epoch]:
        """Return backfills of several accounts, one each, by account. ``of`` has pairs of account and number."""
        wanted = [f"{account}.{number}" for account, number in of]
        return {found["account"]: decode(Epoch, found) async for found in self._epochs.find({"_id": {"$in": wanted}})}

    async def of(self, account: str) -> list[Epoch]:
        """Return an account's backfills, newest first."""
        found = self._epochs.find({"account": account}).sort("number", -1)
        return [decode(Epoch, document) async for document in found]

    async def claim(self, account: str, number: int, *, stale: timedelta) -> Epoch | None:
        """Claim the confirmation of one backfill; None if it was sent or another sender has claimed it."""
        return await self._claim({"_id": f"{account}.{number}"}, stale)

    async def claim_due(self, *, stale: timedelta) -> Epoch | None:
        """Claim any confirmation that is due, or that a dead sender claimed longer ago than ``stale``."""
        return await self._claim({}, stale)

    async def _claim(self, which: Doc, stale: timedelta) -> Epoch | None:
        moment = now()
        free: list[Doc] = [
            {"notification": NotificationState.DUE.value},
            {"notification": NotificationState.SENDING.value, "claimed_at": {"$lt": moment - stale}},
        ]
        update = {"$set": {"notification": NotificationState.SENDING.value, "claimed_at": moment}}
        document = await self._epochs.find_one_and_update(
            {**which, "$or": free}, update, return_document=ReturnDocument.AFTER
        )
        return None if document is None else decode(Epoch, document)

    async def sent(self, account: str, number: int) -> None:
        """Note that the confirmation was accepted by the mail server."""
        await self._note(account, number, {"notification": NotificationState.SENT.value, "sent_at": now()})

    async def renew(self, account: str, number: int) -> None:
        """Extend a claim while sending takes long."""
        await self._note(account, number, {"claimed_at": now()})

    async def release(self, account: str, number: int) -> None:
        """Release a claim after sending failed, so that it is tried again."""
        await self._note(account, number, {"notification": NotificationState.DUE.value, "claimed_at": None})

    async def postpone(self, account: str, number: int, *, stale: timedelta, delay: timedelta) -> None:
        """Keep a claim so that a call with the same ``stale`` can take it over only after ``delay``."""
        await self._note(account, number, {"claimed_at": now() + delay - stale})

    async def _note(self, account: str, number: int, fields: dict[str, str | datetime | None]) -> None:
        claimed = {"_id": f"{account}.{number}", "notification": NotificationState.SENDING.value}
        await self._epochs.update_one(claimed, {"$set": fields})
