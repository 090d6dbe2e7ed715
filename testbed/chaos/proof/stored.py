"""What the deployment holds, read from its databases, its broker and the SMTP server without any code of the services."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from email import message_from_bytes
from typing import Any, NamedTuple

from pymongo import MongoClient

from testbed.chaos.proof.expected import RecordLink
from testbed.chaos.proof.reader import ServerCopy
from testbed.local import SentMail

_CONFIRMATION = re.compile(r"<sync\.([0-9a-f]+)\.(\d+)@.*>")
_ATTENTION = re.compile(r"<attention\.([0-9a-f]+)\.(\d+)@.*>")
UNFINISHED = frozenset({"planned", "published"})
Document = Mapping[str, Any]


class StoredRow(NamedTuple):
    """A row of the ledger."""

    id: str
    copy: ServerCopy
    state: str
    reason: str | None
    email: str | None
    flags: frozenset[str]


class StoredEpoch(NamedTuple):
    """A backfill."""

    account: str
    number: int
    state: str
    notification: str


class StoredAccount(NamedTuple):
    """An account."""

    id: str
    state: str
    incident: int
    """How often it was blocked."""
    resync_requested: bool
    trouble: str | None
    """Why work on it cannot go on."""


class AttentionMail(NamedTuple):
    """A mail about an account in trouble that the SMTP server took."""

    message_id: str
    account: str
    incident: int


class Confirmation(NamedTuple):
    """A mail that confirms a backfill, which the SMTP server took."""

    message_id: str
    account: str
    epoch: int
    taken: float
    """Unix time."""


class Stored(NamedTuple):
    """Everything that is compared."""

    folders: dict[tuple[str, str], bytes]
    """Names, as the server lists them, by account and id."""
    rows: list[StoredRow]
    emails: dict[str, str | None]
    """Message-IDs by key."""
    fading: frozenset[str]
    """Keys of emails marked as linked to no record. Their copies stay attached for a grace period, and no one sees them."""
    links: dict[tuple[str, str], RecordLink]
    """By (record, key)."""
    epochs: list[StoredEpoch]
    accounts: list[StoredAccount]
    dead: list[str | None]
    """The rows of the dead letters."""
    pending_work: int
    """Pieces of it."""
    counts: dict[str, int]
    """Shared emails by record, as the CRM's document says."""


def read_stored(client: MongoClient[dict[str, Any]], database: str, crm: str) -> Stored:
    """Read both databases."""
    ours, theirs = client[database], client[crm]
    names = {(one["account"], one["id"]): bytes(one["raw_name"]) for one in ours.folders.find()}
    return Stored(
        folders=names,
        rows=[_row(one, names) for one in ours.ledger.find()],
        emails={one["_id"]: one.get("message_id") for one in ours.emails.find({}, {"message_id": 1})},
        fading=frozenset(one["_id"] for one in ours.emails.find({"unlinked_at": {"$exists": True}}, {"_id": 1})),
        links={
            (f"{one['record']['kind']}:{one['record']['id']}", one["email"]): RecordLink(
                frozenset((each["address"], each["role"], each.get("account") or "") for each in one["matches"]),
                frozenset(one["owners"]),
                frozenset(one["shared_by"]),
            )
            for one in ours.links.find()
        },
        epochs=[
            StoredEpoch(one["account"], one["number"], one["state"], one["notification"]) for one in ours.epochs.find()
        ],
        accounts=[
            StoredAccount(
                one["_id"],
                one["state"],
                one.get("incident", 0),
                bool(one.get("resync_requested")),
                (one.get("trouble") or {}).get("code"),
            )
            for one in ours.accounts.find()
        ],
        dead=[one.get("row") for one in ours.dead_letters.find({}, {"row": 1})],
        pending_work=ours.debts.count_documents({}),
        counts={
            f"{kind}:{one['_id']}": int((one.get("leadmail") or {}).get("count", 0))
            for kind in ("lead", "contact")
            for one in theirs[f"{kind}s"].find({}, {"leadmail.count": 1})
        },
    )


def _row(one: Document, names: Mapping[tuple[str, str], bytes]) -> StoredRow:
    folder = names.get((one["account"], one["folder"]), b"?" + one["folder"].encode())
    copy = ServerCopy(one["account"], folder, one["uidvalidity"], one["uid"])
    return StoredRow(
        one["_id"], copy, one["state"], one.get("reason"), one.get("email"), frozenset(one.get("flags") or ())
    )


def attentions(sent: Iterable[SentMail]) -> list[AttentionMail]:
    """Return the mails about accounts in trouble among what the SMTP server took."""
    return [AttentionMail(found[0], found[1], int(found[2])) for _, found in _named(sent, _ATTENTION)]


def confirmations(sent: Iterable[SentMail]) -> list[Confirmation]:
    """Return the confirmations among what the SMTP server took."""
    return [
        Confirmation(found[0], found[1], int(found[2]), int(mail.path.name.partition("-")[0]) / 1e9)
        for mail, found in _named(sent, _CONFIRMATION)
    ]


def _named(sent: Iterable[SentMail], message_id: re.Pattern[str]) -> Iterator[tuple[SentMail, re.Match[str]]]:
    for mail in sent:
        if found := message_id.fullmatch(str(message_from_bytes(mail.raw)["Message-ID"] or "")):
            yield mail, found
