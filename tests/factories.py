"""Build what tests store: accounts, folders, ledger rows and whole backfills, with defaults for what a test ignores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.accounts import Account, AddressProof, Lease, ProofKind, SealedCredentials, ServerAddress
from schemas.identity import copy_id, folder_id, link_id
from schemas.ledger import Epoch, Folder, FolderState, Row, RowState
from schemas.mail import Content
from schemas.sharing import Mode, SharingPolicy
from services.store import Store, new_account_id
from services.store.access.teams import ActiveViewer
from services.store.core.documents import now

INBOX, SENT = folder_id(b"INBOX"), folder_id(b"Sent")
SEALED = SealedCredentials(key_id="k", wrapped_key=b"w", nonce=b"n", ciphertext=b"c")
"""Credentials that no key opens."""


def confirmed(*addresses: str) -> tuple[AddressProof, ...]:
    """Return proofs of addresses that an administrator confirmed."""
    return tuple(AddressProof(address=one, how=ProofKind.ADMINISTRATOR, by="operator", at=now()) for one in addresses)


def account(
    address: str, mode: Mode = Mode.PUBLIC, excluded: Sequence[str] = (), *, owner: str | None = None, **fields: Any
) -> Account:
    """Return an account that is not stored; its owner defaults to its address. An administrator has confirmed its addresses."""
    owner = owner or address
    values: dict[str, Any] = {
        "proofs": confirmed(*(one for one in (address, *fields.get("aliases", ())) if one != owner)),
        "id": new_account_id(),
        "incoming": ServerAddress(host="imap.example.com", port=993, tls="tls", username=address),
        "credentials": SEALED,
        "sharing": SharingPolicy(mode=mode, excluded_domains=tuple(excluded)),
        "created_at": now(),
        **fields,
    }
    return Account(owner=owner, address=address, **values)


def viewer(email: str, *teams: str) -> ActiveViewer:
    """Return a user who reads, and who is a member of teams."""
    return ActiveViewer(email=email, created_at=now(), owners=frozenset({email, *teams}))


def folder(of: str, **fields: Any) -> Folder:
    """Return the inbox of the account with an id: selected, with three mails, none of them enumerated."""
    values: dict[str, Any] = {
        "id": INBOX,
        "raw_name": b"INBOX",
        "name": "INBOX",
        "role": "inbox",
        "selected": True,
        "uidvalidity": 1,
        "uidnext": 4,
        **fields,
    }
    return Folder(account=of, **values)


def sent_folder(of: str, **fields: Any) -> Folder:
    """Return the folder of sent mail of the account with an id."""
    return folder(of, **{"id": SENT, "raw_name": b"Sent", "name": "Sent", "role": "sent", **fields})


def enumerated(of: str, mails: int = 3, **fields: Any) -> Folder:
    """Return an inbox whose mails all have ledger rows."""
    values: dict[str, Any] = {"uidnext": mails + 1, "cursor": 1, "state": FolderState.ENUMERATED, **fields}
    return folder(of, **values)


def row(
    of: str,
    uid: int,
    state: RowState = RowState.PLANNED,
    *,
    epoch: int | None = 1,
    folder: str = INBOX,
    uidvalidity: int = 1,
    **fields: Any,
) -> Row:
    """Return the ledger row of a copy in an account's folder."""
    moment = now()
    values: dict[str, Any] = {
        "size": 1000,
        "internal_date": moment,
        "noticed_at": moment,
        "updated_at": moment,
        **fields,
    }
    return Row(
        id=copy_id(of, folder, uidvalidity, uid),
        account=of,
        folder=folder,
        uidvalidity=uidvalidity,
        uid=uid,
        epoch=epoch,
        state=state,
        **values,
    )


async def lease_of(store: Store, account_id: str) -> Lease:
    """Lease one account, which must be free, and leave every other account free."""
    leases = await store.leases.acquire("poller-1", 1000, at_most=1000)
    for lease in leases:
        if lease.account != account_id:
            await store.leases.release([lease])
    return next(lease for lease in leases if lease.account == account_id)


async def sealed_epoch(store: Store, lease: Lease, mails: int = 3, *others: Folder) -> tuple[Epoch, list[Row]]:
    """Open a backfill of the inbox, plan a row per mail and seal it; return the epoch and its rows.

    Args:
        store: where the account is.
        lease: the account's.
        mails: how many mails the inbox has.
        *others: further folders of the account.
    """
    epoch = await store.epochs.start(lease, [enumerated(lease.account, mails), *others], expected=mails)
    rows = [row(lease.account, uid, epoch=epoch.number) for uid in range(1, mails + 1)]
    await store.poller_ledger.add_window(lease, rows)
    await store.epochs.seal(lease, epoch.number)
    return epoch, rows


async def sent_before(store: Store, answer: str, sent: Content, *, like: str, by: str) -> None:
    """Store a mail that a user sent, on the same record and in the same folder as another, and let a third one answer it."""
    collections = store._collections
    await store.emails.save_many([sent])
    await collections.emails.update_one({"_id": answer}, {"$set": {"in_reply_to": sent.message_id}})
    copy = await collections.ledger.find_one({"email": like})
    link = await collections.links.find_one({"email": like, "owners": by})
    assert copy is not None
    assert link is not None
    number = 4_000_000_000
    name = copy_id(copy["account"], copy["folder"], copy["uidvalidity"], number)
    await collections.ledger.insert_one({**copy, "_id": name, "uid": number, "email": sent.key})
    await collections.folders.update_one({"account": copy["account"], "id": copy["folder"]}, {"$set": {"role": "sent"}})
    name = link_id(link["record"]["kind"], link["record"]["id"], sent.key)
    await collections.links.insert_one({**link, "_id": name, "email": sent.key, "sent_by": [by]})
